"""The commands `agent-runs-consumer dead-letters …`."""

import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from consumer.cli import dead_letters_output
from consumer.cli.command import run_with_session
from consumer.cli.dead_letters_filter import (
    LETTER_ID,
    all_option,
    checked_filter,
    filter_from,
    filter_options,
    parse_time,
    state_option,
)
from consumer.dead_letters import as_json
from consumer.dead_letters.retry import Outcome, Retry, RetryOptions
from consumer.dead_letters.table import (
    Action,
    DeadLetter,
    DeadLetterSummary,
    Filter,
    check_ids,
    close,
    find,
    find_all,
    read,
    read_history,
)
from consumer.errors import UsageError
from consumer.postgres.requirements import DISCARD, READ, RETRY, Right, check_database
from consumer.postgres.session import Session
from consumer.settings import Config, read_config

_STAYED_OPEN: Final = 1
_T = TypeVar("_T")


@click.group("dead-letters")
def dead_letters_group() -> None:
    """List, show, retry, discard or export dead letters.

    A dead letter is a record that could not be stored as an event of a run.

    IDS select single dead letters, in any state. Filters select among the open ones.
    """


@dead_letters_group.command("list")
@filter_options
@state_option
@click.option("--after", type=LETTER_ID, default=0, help="List only ids above this one, to continue after a page.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The largest number of dead letters to list.",
)
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format.")
def list_command(after: int, limit: int, output: str, **filters: Any) -> None:
    """List dead letters, oldest first."""
    filter_ = filter_from(filters)

    async def work(session: Session) -> list[DeadLetterSummary]:
        return await session.run(lambda store: find(store, filter_, after, limit + 1))

    found = _run(_config(), filter_, work)
    if output == "json":
        click.echo(as_json.to_line([as_json.summary(letter) for letter in found[:limit]]))
    else:
        dead_letters_output.letters(found[:limit], more=len(found) > limit)


@dead_letters_group.command("show")
@click.argument("letter_id", metavar="ID", type=LETTER_ID)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
def show_command(letter_id: int, output: str) -> None:
    """Show one dead letter, its error and its history."""

    async def work(session: Session) -> tuple[DeadLetter, list[Action]]:
        letter = await session.run(lambda store: read(store, letter_id))
        return letter, await session.run(lambda store: read_history(store, letter))

    letter, history = _run(_config(), Filter(), work)
    if output == "json":
        click.echo(as_json.to_line({**as_json.letter(letter), "history": as_json.history(history)}))
    else:
        dead_letters_output.letter(letter, history)


@dead_letters_group.command("retry")
@filter_options
@all_option(help="Apply to every open dead letter; required without IDS or a filter.")
@click.option("--dry-run", is_flag=True, help="Print each result, and roll back every change.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Skip dead letters that were refused again this many times.",
)
@click.option(
    "--not-tried-since",
    type=parse_time,
    metavar="TIME",
    help="Continue an interrupted pass: skip dead letters changed since TIME. Each pass prints its TIME at the start.",
)
def retry_command(
    all_: bool,  # noqa: FBT001  # click passes a flag by its name
    dry_run: bool,  # noqa: FBT001
    max_retries: int,
    not_tried_since: int | None,
    **filters: Any,
) -> None:
    """Retry dead letters: store those that are valid events now.

    A stored event gets the next number of its run, and its dead letter is resolved. If a record is refused again, its
    dead letter stays open, with the new reason. Dead letters that are not open are skipped. A dead letter is blocked,
    and unchanged, if an object that was added to the tables, such as a trigger, refuses its row.

    Exit code 1: at least one dead letter was refused again or blocked.
    """
    config = _config()
    filter_ = checked_filter(filters, all_)
    options = RetryOptions(max_event_bytes=config.topic.max_event_bytes, max_retries=max_retries, dry_run=dry_run)

    async def retry_all(session: Session) -> Counter[Outcome]:
        counts: Counter[Outcome] = Counter()
        retry = Retry(session, options)
        started_at = await retry.start_time() if not_tried_since is None else not_tried_since
        click.echo(f"If this is interrupted, continue with --not-tried-since {as_json.rfc3339(started_at)}", err=True)
        async for retried in retry.run(filter_, started_at):
            counts[retried.outcome] += 1
            dead_letters_output.retried(retried)
        return counts

    counts = _run(config, filter_, retry_all, RETRY)
    dead_letters_output.summary(counts, dry_run=dry_run)
    sys.exit(_STAYED_OPEN if counts[Outcome.REFUSED] or counts[Outcome.BLOCKED] else 0)


@dead_letters_group.command("discard")
@filter_options
@all_option(help="Apply to every open dead letter; required without IDS or a filter.")
@click.option("--because", required=True, help="The reason; stored in dead_letter_history.")
@click.option("--by", required=True, help="Who decided it; stored in dead_letter_history.")
def discard_command(all_: bool, because: str, by: str, **filters: Any) -> None:  # noqa: FBT001
    """Discard dead letters.

    Discarded dead letters stay in the table. The reason and the name are in dead_letter_history.
    """
    filter_ = checked_filter(filters, all_)

    async def work(session: Session) -> int:
        count = 0
        async for letter in find_all(session, filter_):
            closing = partial(close, letter_id=letter.id, state="discarded", detail=because, actor=by)
            count += await session.run(closing)
        return count

    dead_letters_output.discarded(_run(_config(), filter_, work, DISCARD))


@dead_letters_group.command("export")
@filter_options
@all_option(help="Apply to every dead letter in the state; required without IDS or a filter.")
@state_option
@click.option("--bytes", "exact", is_flag=True, help="Write the message of one dead letter, byte for byte.")
@click.option(
    "--to",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to this file instead of standard output.",
)
def export_command(all_: bool, exact: bool, to: Path | None, **filters: Any) -> None:  # noqa: FBT001
    """Export dead letters as JSON lines, or one message.

    Keys, values and headers are in Base64. With --bytes, the message of one dead letter is written byte for byte.
    """
    filter_ = checked_filter(filters, all_)
    if exact and len(filter_.ids or ()) != 1:
        raise UsageError("--bytes writes one message: give exactly one ID")
    if exact and to is None and sys.stdout.isatty():
        raise UsageError("the message may contain terminal control codes: give --to FILE, or redirect the output")

    async def work(session: Session) -> None:
        with to.open("wb") if to else nullcontext(sys.stdout.buffer) as file:
            async for letter in find_all(session, filter_):
                whole = await session.run(partial(read, letter_id=letter.id))
                file.write(whole.value or b"" if exact else as_json.to_line(as_json.letter(whole)).encode() + b"\n")

    _run(_config(), filter_, work)


def _config() -> Config:
    return read_config(os.environ, "database", "topic", "service")


def _run(
    config: Config, filter_: Filter, work: Callable[[Session], Awaitable[_T]], rights: Sequence[Right] = READ
) -> _T:
    """Run `work` and return its result, after checking the database, the rights and the ids of the filter."""

    async def checked(session: Session) -> _T:
        await session.run(partial(check_database, rights=rights))
        if filter_.ids:
            await session.run(lambda store: check_ids(store, filter_.ids or ()))
        return await work(session)

    return run_with_session(config, checked)
