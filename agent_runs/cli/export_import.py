"""The commands `export` and `import`."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

import click

from agent_runs.cli.output import is_terminal, note, print_line
from agent_runs.cli.source import read
from agent_runs.errors import Undelivered
from agent_runs.reader import RunSource
from agent_runs.reader.event_text import count_text
from agent_runs.run_file import InvalidRunFile, export_runs, with_descendants
from agent_runs.service_command import import_program


@click.command("export", short_help="Write runs to a run file, or a run to an HTML page.")
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-f",
    "--to",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write to this file. Default, or with -: standard output.",
)
@click.option("--with-children", is_flag=True, help="Also write the runs that they spawned, and those of these runs.")
@click.option(
    "--html", is_flag=True, help="Write one HTML page that shows a run without a server. Needs the extra viewer."
)
def export_command(run_ids: tuple[str, ...], path: Path | None, with_children: bool, html: bool) -> None:  # noqa: FBT001
    """Write runs with all their events to a run file, or a run to an HTML page.

    The run file can be read without a database: agent-runs --file FILE show RUN. `import` publishes it again.
    The page opens in a browser, without a server.

    \b
    Examples:
      agent-runs export booking-7 -f booking-7.jsonl
      agent-runs export booking-7 booking-8 --with-children
      agent-runs export booking-7 --html -f booking-7.html
    """
    if html and (len(run_ids) > 1 or with_children):
        raise click.UsageError("a page shows one run: give one RUN, without --with-children")
    if path == Path("-"):
        path = None
    if path is None and is_terminal():
        raise click.UsageError("the messages may contain terminal control codes: give -f FILE, or redirect the output")

    async def work(source: RunSource, file: BinaryIO) -> tuple[int, int]:
        if html:
            return 1, await import_program("viewer.offline", "viewer").write_page(source, run_ids[0], file)
        chosen = await with_descendants(source, run_ids) if with_children else list(dict.fromkeys(run_ids))
        return len(chosen), await export_runs(source, chosen, file)

    with _target(path) as file:
        runs, events = read(lambda source: work(source, file))
    target = f" to {path}" if path else ""
    note(f"Exported {count_text(runs, 'run')} with {count_text(events, 'event')}{target}.")


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    """Open the file, or standard output; a file appears under its name only when it is complete.

    Of several exports to one file at once, each writes a file of its own, and the last one to end replaces the others.

    A device or a named pipe is written to: it must not be replaced by a file. The file that a symbolic link names is
    replaced, and not the link.
    """
    if path is None:
        yield sys.stdout.buffer
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve()
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with _created(partial, path) as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _created(partial: Path, path: Path) -> BinaryIO:
    """Create the file `partial`, which becomes `path`; an error names `path`, the file that was asked for."""
    try:
        return partial.open("wb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
def import_command(path: Path) -> None:
    """Publish the events of a run file to the topic.

    They keep their ids and their order. FILE may be `-`. The whole file is checked first: one that is cut off or
    altered is refused, with the line. It is safe to import a file twice: events that are stored already are not stored
    again.

    \b
    Examples:
      agent-runs import booking-7.jsonl
      agent-runs import - < booking-7.jsonl
    """
    from agent_runs.run_file.publish import import_runs  # noqa: PLC0415  # loads the Kafka client

    published = 0

    def count(events: int) -> None:
        nonlocal published
        published += events

    with _seekable(path) as file:
        try:
            runs, events = asyncio.run(import_runs(file, os.environ, progress=count))
        except InvalidRunFile as error:
            raise InvalidRunFile(error.line, error.problem, _shown(path)) from error
        except Undelivered:
            if published:
                note(f"The first {count_text(published, 'event')} are published. It is safe to import the file again.")
            raise
    print_line(f"Published {count_text(events, 'event')} of {count_text(runs, 'run')}; a consumer stores them.")


def _shown(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


@contextmanager
def _seekable(path: Path) -> Iterator[Path]:
    """Copy standard input to a temporary file: the import reads its file twice."""
    if str(path) != "-":
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as copy:
        copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)
