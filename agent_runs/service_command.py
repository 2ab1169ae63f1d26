"""The commands `agent-runs-consumer`, which runs the service, and `agent-runs-viewer`, which runs the viewer.

`import_program` imports a module of one of them, for `agent-runs export --html`, whose page the viewer makes.

Both are top-level packages, `consumer` and `viewer`, names that a package of the application may have too. So the wheel
holds them, with the schema, in `agent_runs/_service`, where `import consumer` does not find them; a command adds that
folder to the import path of its own process. In a checkout, they are beside the library.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from agent_runs.errors import AgentRunsError

_EXIT_CODE_USAGE = 2
_EXIT_CODE_INTERRUPTED = 130


class MissingProgram(AgentRunsError):
    """The packages that the service or the viewer needs are not installed; the message names the extra."""


def main() -> None:
    """Run the command of the service that the arguments name, and exit with its exit code."""
    _run("consumer.cli.main", "service")


def viewer() -> None:
    """Run the viewer, and exit with its exit code."""
    _run("viewer.command", "viewer")


def import_program(module: str, extra: str) -> ModuleType:
    """Return a module of the service or of the viewer.

    Args:
        module: its name in a checkout, such as `viewer.offline`.
        extra: the extra that installs what it imports.

    Raises:
        MissingProgram: the extra is not installed.
    """
    library = Path(__file__).parent
    installed = library / "_service"
    folder = str(installed if installed.exists() else library.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == module.partition(".")[0]:
            raise
        raise MissingProgram(
            f"the {extra} needs the package {error.name!r}: pip install 'agent-runs[{extra}]'"
        ) from error


def _run(module: str, extra: str) -> None:
    try:
        program = import_program(module, extra)
    except MissingProgram as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  # the program's own output needs the missing packages
        sys.exit(_EXIT_CODE_USAGE)
    except KeyboardInterrupt:  # loading the packages may take seconds
        sys.exit(_EXIT_CODE_INTERRUPTED)
    program.main()
