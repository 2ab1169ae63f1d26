"""`python -m agent_runs` and the command `agent-runs`."""

import sys

_EXIT_CODE_USAGE = 2
_EXIT_CODE_INTERRUPTED = 130


def main() -> None:
    """Run the command line; print one sentence if the packages that it needs are not installed."""
    try:
        from agent_runs.cli.main import main as run  # noqa: PLC0415  # the extra `cli` may not be installed
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(f"error: the package {error.name!r} is not installed: pip install 'agent-runs[cli]'\n")
        sys.exit(_EXIT_CODE_USAGE)
    except KeyboardInterrupt:  # loading the packages may take seconds
        sys.exit(_EXIT_CODE_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
