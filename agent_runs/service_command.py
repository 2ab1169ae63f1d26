"""The commands `agent-runs-consumer`, which runs the service, and `agent-runs-viewer`, which runs the viewer.

Both are top-level packages, `consumer` and `viewer`, names that a package of the application may have too. So the wheel
holds them, with the schema, in `agent_runs/_service`, where `import consumer` does not find them; a command adds that
folder to the import path of its own process. In a checkout, they are beside the library.
"""

import importlib
import sys
from pathlib import Path

_EXIT_CODE_USAGE = 2


def main() -> None:
    """Run the command of the service that the arguments name, and exit with its exit code."""
    _run("consumer.cli.main", "service")


def viewer() -> None:
    """Run the viewer, and exit with its exit code."""
    _run("viewer.command", "viewer")


def _run(module: str, extra: str) -> None:
    library = Path(__file__).parent
    installed = library / "_service"
    sys.path.insert(0, str(installed if installed.exists() else library.parent))
    try:
        program = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == module.partition(".")[0]:
            raise
        print(  # noqa: T201  # the program's own output needs the packages that are missing
            f"error: the {extra} needs the package {error.name!r}: pip install 'agent-runs[{extra}]'", file=sys.stderr
        )
        sys.exit(_EXIT_CODE_USAGE)
    program.main()
