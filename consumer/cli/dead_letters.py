"""`python -m consumer dead-letters`: look at refused records, try them again, give them up, take them out."""

import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial, reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from consumer.cli import dead_letters_text
from consumer.cli.command import run_with_session
from consumer.config import Config, read_config
from consumer.dead_letters import documents
from consumer.dead_letters.retry import Outcome, Retry, Rules
from consumer.dead_letters.table import (
    STATES,
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
from consumer.model.records import Reason
from consumer.postgres.migrations import check_schema
from consumer.postgres.session import Session

_STAYED_OPEN: Final = 1
_Command = Callable[..., Any]
_T = TypeVar("_T")


def _time(text: str) -> int:
    """ISO 8601, without an offset UTC, as milliseconds since 1970."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time like 2026-01-31T23:59:59Z") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


_ID: Final = click.IntRange(min=0, max=2**63 - 1)
_REASON: Final = click.Choice([reason.value for reason in Reason])
_FILTERS: Final = (
    click.argument("ids", type=_ID, nargs=-1),
    click.option("--reason", "reasons", multiple=True, type=_REASON, help="Refused for this."),
    click.option("--partition", type=click.IntRange(min=0, max=2**31 - 1), help="Of this partition."),
    click.option("--run", "run_id", help="Of this run: the record's key."),
    click.option("--since", type=_time, help="Refused at this time or later."),
    click.option("--until", type=_time, help="Refused before this time."),
)
_ALL: Final = click.option("--all", "everything", is_flag=True, help="All of them: no filter was forgotten.")


def _filtered(command: _Command) -> _Command:
    """Give a command the options that say which letters."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_FILTERS), command)


@click.group("dead-letters")
def dead_letters_group() -> None:
    """The records that were refused: look at them, try them again, give them up, take them out."""


@dead_letters_group.command("list")
@_filtered
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="`open` unless told.")
@click.option("--after", type=_ID, default=0, help="Go on behind this id.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_command(after: int, limit: int, output: str, **which: Any) -> None:
    """Show letters, in the order in which they were refused."""
    wanted = _filter(which)

    async def work(session: Session) -> list[DeadLetterSummary]:
        return await session.ask(lambda store: find(store, wanted, after, limit + 1))

    found = _run(_config(), wanted, work)
    if output == "json":
        click.echo(documents.as_json([documents.summary(letter) for letter in found[:limit]]))
    else:
        dead_letters_text.letters(found[:limit], more=len(found) > limit)


@dead_letters_group.command("show")
@click.argument("letter_id", metavar="ID", type=_ID)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show_command(letter_id: int, output: str) -> None:
    """Show one letter: what it holds, what is wrong with it and where, what became of it."""

    async def work(session: Session) -> tuple[DeadLetter, list[Action]]:
        letter = await session.ask(lambda store: read(store, letter_id))
        return letter, await session.ask(lambda store: read_history(store, letter))

    letter, history = _run(_config(), Filter(), work)
    if output == "json":
        click.echo(documents.as_json({**documents.letter(letter), "history": documents.history(history)}))
    else:
        dead_letters_text.letter(letter, history)


@dead_letters_group.command("retry")
@_filtered
@_ALL
@click.option("--dry-run", is_flag=True, help="Say what would become of each, and change nothing.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Leave those refused so often alone.",
)
@click.option("--not-tried-since", type=_time, help="Go on with a pass that was interrupted; it says its time.")
def retry_command(
    everything: bool,  # noqa: FBT001  # click's way of giving a flag
    dry_run: bool,  # noqa: FBT001
    max_retries: int,
    not_tried_since: int | None,
    **which: Any,
) -> None:
    """Judge letters anew. What is an event now gets its run's next number; what isn't stays open.

    Exit code 1: at least one stayed open.
    """
    config = _config()
    wanted = _narrow(_filter(which), everything)
    rules = Rules(max_event_bytes=config.topic.max_event_bytes, max_retries=max_retries, dry_run=dry_run)

    async def work(session: Session) -> Counter[Outcome]:
        counts: Counter[Outcome] = Counter()
        retry = Retry(session, rules)
        begun = await retry.begin() if not_tried_since is None else not_tried_since
        click.echo(f"If this is interrupted, go on with --not-tried-since {documents.time(begun)}", err=True)
        async for tried in retry.run(wanted, begun):
            counts[tried.outcome] += 1
            dead_letters_text.tried(tried)
        return counts

    counts = _run(config, wanted, work)
    dead_letters_text.tried_in_all(counts, dry_run=dry_run)
    sys.exit(_STAYED_OPEN if counts[Outcome.REFUSED] else 0)


@dead_letters_group.command("discard")
@_filtered
@_ALL
@click.option("--because", required=True, help="Why; it is written down.")
@click.option("--by", required=True, help="Who decides this; it is written down.")
def discard_command(everything: bool, because: str, by: str, **which: Any) -> None:  # noqa: FBT001
    """Give letters up. They stay in the table, and don't wait any more."""
    wanted = _narrow(_filter(which), everything)

    async def work(session: Session) -> int:
        count = 0
        async for letter in find_all(session, wanted):
            closing = partial(close, letter_id=letter.id, state="discarded", detail=because, actor=by)
            count += await session.ask(closing)
        return count

    dead_letters_text.discarded(_run(_config(), wanted, work))


@dead_letters_group.command("export")
@_filtered
@_ALL
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="`open` unless told.")
@click.option("--bytes", "exact", is_flag=True, help="Of one letter: the message itself, byte by byte.")
@click.option("--to", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="This file, not the output.")
def export_command(everything: bool, exact: bool, to: Path | None, **which: Any) -> None:  # noqa: FBT001
    """Write letters out as JSON lines, their bytes in Base64; or one message as it was."""
    wanted = _narrow(_filter(which), everything)
    if exact and len(wanted.ids or ()) != 1:
        raise UsageError("--bytes writes one message: give one ID")
    if exact and to is None and sys.stdout.isatty():
        raise UsageError("a message may hold what a terminal acts on: give --to FILE, or send the output somewhere")

    async def work(session: Session) -> None:
        with to.open("wb") if to else nullcontext(sys.stdout.buffer) as file:
            async for letter in find_all(session, wanted):
                whole = await session.ask(partial(read, letter_id=letter.id))
                file.write(whole.value or b"" if exact else documents.as_json(documents.letter(whole)).encode() + b"\n")

    _run(_config(), wanted, work)


def _config() -> Config:
    return read_config(os.environ, "database", "topic", "service")


def _filter(which: Mapping[str, Any]) -> Filter:
    """The filter that the options describe. Lists without members are none; who is named may be in any state."""
    given = {name: None if value == () else value for name, value in which.items()}
    if not given.get("states") and not given["ids"]:
        given["states"] = ("open",)
    return Filter(**given)


def _narrow(wanted: Filter, everything: bool) -> Filter:  # noqa: FBT001
    """The same filter, unless it was forgotten."""
    if wanted.is_everything and not everything:
        raise UsageError("say which letters: IDs, a filter such as --reason, or --all")
    return wanted


def _run(config: Config, wanted: Filter, work: Callable[[Session], Awaitable[_T]]) -> _T:
    """Work with letters of which those that are named exist, in a database that is ours."""

    async def checked(session: Session) -> _T:
        await session.ask(check_schema)
        if wanted.ids:
            await session.ask(lambda store: check_ids(store, wanted.ids or ()))
        return await work(session)

    return run_with_session(config, checked)
