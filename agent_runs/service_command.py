"""The command `agent-runs-consumer`: runs the service.

The service is the top-level package `consumer`, a name that a package of the application may have too. So the wheel
holds it, with the schema, in `agent_runs/_service`, where `import consumer` does not find it; this command adds that
folder to the import path of its own process. In a checkout, both are beside the library.
"""

import importlib
import sys
from pathlib import Path

_EXIT_CODE_USAGE = 2


def main() -> None:
    """Run the command of the service that the arguments name, and exit with its exit code."""
    library = Path(__file__).parent
    installed = library / "_service"
    sys.path.insert(0, str(installed if installed.exists() else library.parent))
    try:
        service = importlib.import_module("consumer.cli.main")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "consumer":
            raise
        print(  # noqa: T201  # the service's own output needs the packages that are missing
            f"error: the service needs the package {error.name!r}: pip install 'agent-runs[service]'", file=sys.stderr
        )
        sys.exit(_EXIT_CODE_USAGE)
    service.main()
