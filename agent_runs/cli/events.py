"""The command `events`."""

import re
from collections.abc import Callable
from typing import Final

import click

from agent_runs.cli.options import event_number, output_option, run_argument
from agent_runs.cli.output import note, print_json
from agent_runs.cli.source import read, summary_of
from agent_runs.cli.timeline import Timeline
from agent_runs.codec import strict_json
from agent_runs.codec.canonical_json import canonical_json
from agent_runs.reader import Reader, RunSource, StoredEvent, Stream
from agent_runs.reader.event_text import event_text

_SHORT_NUMBERS: Final = 999  # the width of the first column when the last number is not known


@click.command("events")
@run_argument
@click.option("--from", "first", type=event_number, default=0, help="Begin with the event of this number.")
@click.option("--to", "last", type=event_number, help="End with the event of this number.")
@click.option("--type", "types", multiple=True, help="Only events of this type; may be repeated.")
@click.option("--grep", "pattern", help="Only events whose text or JSON matches this regular expression.")
@click.option("--follow", is_flag=True, help="Wait for further events, until Ctrl-C.")
@output_option
def events_command(  # noqa: PLR0913  # the options of the command
    *,
    run_id: str,
    first: int,
    last: int | None,
    types: tuple[str, ...],
    pattern: str | None,
    follow: bool,
    output: str,
) -> None:
    """List the events of a run, in their order.

    As text, an event is one line, cut to the width of the terminal. Its JSON has the whole message under `event`.

    \b
    Examples:
      agent-runs events booking-7 --type tool_requested --type tool_failed
      agent-runs events booking-7 --grep Lisbon --from 2 --to 4 -o jsonl
    """
    if follow and output == "json":
        raise click.UsageError("one JSON document has an end: use -o jsonl with --follow")
    matches = _matcher(pattern)

    async def work(source: RunSource) -> None:
        run = await summary_of(source, run_id)
        shown = _Printer(output, max(run.event_count - 1, _SHORT_NUMBERS if follow else 0))
        async for event in _stream(source, run_id, (first - 1, last), types, follow=follow):
            if matches(event):
                shown.add(event)
        shown.end()

    read(work)


def _stream(
    source: RunSource, run_id: str, range_: tuple[int, int | None], types: tuple[str, ...], *, follow: bool
) -> Stream[StoredEvent]:
    (after, until), wanted = range_, types or None
    if follow and isinstance(source, Reader):  # a file has no further events
        return source.get_run_events(run_id, after=after, until=until, types=wanted, follow=True)
    return source.get_run_events(run_id, after=after, until=until, types=wanted)


class _Printer:
    """Prints events in the chosen form as they come."""

    def __init__(self, output: str, last_seq: int) -> None:
        self._output = output
        self._timeline = Timeline(last_seq)
        self._events: list[bytes] = []
        self._is_empty = True

    def add(self, event: StoredEvent) -> None:
        self._is_empty = False
        match self._output:
            case "jsonl":
                print_json(event.to_json())
            case "json":
                self._events.append(event.to_json())
            case _:
                self._timeline.print(event)

    def end(self) -> None:
        if self._output == "json":
            print_json(b"[%s]" % b",".join(self._events))
        elif self._output == "table" and self._is_empty:
            note("No event matches.")


def _matcher(pattern: str | None) -> Callable[[StoredEvent], bool]:
    """Return whether an event matches a regular expression: by what it says, or by its JSON.

    Raises:
        click.UsageError: the pattern is not a regular expression.
    """
    if pattern is None:
        return lambda _: True
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise click.UsageError(f"--grep: not a regular expression: {error}") from error

    def matches(stored: StoredEvent) -> bool:
        message = stored.event.original or b""
        if stored.raw is not None:  # a producer may have written characters as escapes; JSONB has none
            message = canonical_json(strict_json.parse(stored.raw)).encode(errors="surrogatepass")
        texts = (event_text(stored.event), message.decode(errors="replace"))
        return any(search(text) for text in texts)

    return matches
