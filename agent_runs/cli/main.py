"""The commands of `agent-runs`, their errors, and their exit codes."""

import os
import sys
import traceback
from pathlib import Path
from typing import Final, NoReturn

import click

from agent_runs.cli.agents import agents_command
from agent_runs.cli.answer import answer_command
from agent_runs.cli.arguments import check_encoding
from agent_runs.cli.completion import completion_command
from agent_runs.cli.diff import diff_command
from agent_runs.cli.emit import emit_command
from agent_runs.cli.events import events_command
from agent_runs.cli.export_import import export_command, import_command
from agent_runs.cli.fork import fork_command
from agent_runs.cli.prompt import prompt_command
from agent_runs.cli.questions import questions_command
from agent_runs.cli.replay import replay_command
from agent_runs.cli.runs import runs_command
from agent_runs.cli.show import show_command
from agent_runs.cli.status import status_command
from agent_runs.errors import AgentRunsError, SettingsError, Undelivered
from agent_runs.escaping import escape_line, escape_lines
from agent_runs.reader import DatabaseNotReady, DatabaseUnavailable, InvalidCursor, MissingExtra
from agent_runs.replay import NoSuchPosition
from agent_runs.run_file import InvalidRunFile, PageTooLarge, RunNotFound, TooManyRuns
from agent_runs.standard_streams import open_closed_streams

PROGRAM: Final = "agent-runs"
_UNEXPECTED: Final = 3
_INTERRUPTED: Final = 130  # a shell's exit code for a program that Ctrl-C has ended

_EXIT_CODES: Final[dict[type[BaseException], int]] = {
    SettingsError: 2,
    RunNotFound: 2,
    InvalidRunFile: 2,
    TooManyRuns: 2,
    PageTooLarge: 2,
    InvalidCursor: 2,
    MissingExtra: 2,
    DatabaseNotReady: 2,
    NoSuchPosition: 2,
    OSError: 2,  # a file that cannot be read or written
    DatabaseUnavailable: 4,
    Undelivered: 4,
    AgentRunsError: 3,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read runs from this run file instead of the database.",
)
@click.version_option(package_name="agent-runs", message="%(version)s")
@click.pass_context
def cli(context: click.Context, file: Path | None) -> None:
    """Read the runs of agents, answer their questions, export and import them.

    Reads the database at DATABASE_URL. The commands answer, emit, fork and import publish to the topic
    AGENT_RUNS_TOPIC (default: run-events), and replay and status read it: they need KAFKA_BOOTSTRAP_SERVERS.

    \b
    Exit codes:
      0    done
      1    diff found differences
      2    wrong usage or settings, no such run or position, or an invalid file
      3    an unexpected error
      4    Kafka or PostgreSQL stayed unavailable
      130  Ctrl-C
    """
    context.obj = file


for command in (
    *(runs_command, agents_command, show_command, events_command, prompt_command, questions_command, answer_command),
    *(
        export_command,
        import_command,
        diff_command,
        replay_command,
        fork_command,
        emit_command,
        status_command,
        completion_command,
    ),
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run a command, print its error as one line per problem if it fails, and exit."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have every character
    sys.exit(_run())


def _text_of(error: BaseException) -> str:
    """Return the message of an error; of one of the system, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output or a file cannot be written or read'}: {error.strerror}"
    return str(error)


def _run() -> int:
    try:
        check_encoding(sys.argv)
        result = cli(prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except (SystemExit, BrokenPipeError):
        # The reader of the pipe, such as `head`, has what it needs. click makes a SystemExit of an error in a command.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports what it cannot write
        return 0
    except tuple(_EXIT_CODES) as error:
        for line in _text_of(error).split("\n"):
            click.echo(f"error: {escape_line(line)}", err=True)
        return next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind))
    except Exception:  # noqa: BLE001  # a bug
        click.echo(escape_lines(traceback.format_exc()), err=True)
        return _UNEXPECTED
    return result if isinstance(result, int) else 0
