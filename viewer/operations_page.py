"""The page for operators: how far each partition is stored, what to do about one that is not, and dead letters."""

from collections import Counter
from datetime import timedelta
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.reader import DeadLetterPage
from agent_runs.reader.event_text import count_text
from agent_runs.times import duration_text
from viewer.api import reader_of, struct_response
from viewer.dead_letter_page import REASONS, dead_letter_row
from viewer.errors import Failure
from viewer.html import Child, el, time_element
from viewer.layout import page
from viewer.operations import Operations, OperationsDocument, PartitionDocument
from viewer.parameters import Parameters, with_query

PAGE_LETTERS: Final = 50
_PATH: Final = "/operations"
# The column's name in the API, its heading, and what it means.
_COLUMNS: Final = (
    ("partition", "Partition", None),
    ("state", "State", None),
    ("lag_records", "Lag", "Records of the topic that are not stored"),
    ("lag_seconds", "Oldest waits", "How long the oldest of them has waited"),
    ("next_offset", "Next offset", "The offset from which the consumer continues"),
    ("last_record_at", "Last record", "The time of the last record that was stored"),
    ("stored_at", "Last stored", "When records of this partition were stored last"),
)
_STATES: Final = ("lost", "stalled", "behind", "ok", "unknown")
_NUMBERS: Final = ("lag_records", "lag_seconds", "next_offset")


async def get_operations(request: Request) -> Response:
    """Return how far the topics are stored, and how many dead letters are open."""
    Parameters(request, ())
    return struct_response(await _operations_of(request).read())


async def operations_page(request: Request) -> Response:
    """Return the page for operators; it has the open dead letters of a reason, or of all."""
    parameters = Parameters(request, ("reason", "cursor"))
    reason, cursor = parameters.text("reason"), parameters.text("cursor")
    if reason is not None and reason not in REASONS:
        raise Failure(400, f"reason: must be one of {', '.join(REASONS)}, got {reason[:50]!r}.")
    found = await _operations_of(request).read()
    letters = await reader_of(request).dead_letters.list_open(reason, limit=PAGE_LETTERS, cursor=cursor)
    return HTMLResponse(
        page(
            "Operations",
            el("h1", "Operations"),
            partitions_section(found),
            _dead_letters(found, letters, reason, is_first=cursor is None),
            script="operations",
        )
    )


def _operations_of(request: Request) -> Operations:
    operations: Operations = request.app.state.operations
    return operations


def partitions_section(found: OperationsDocument) -> Element:
    """Return the table of the partitions, and what to do about those that make no progress."""
    rows = [_row(partition) for partition in found.partitions]
    head = el("tr", [el("th", label, scope="col", title=hint, class_=_style(name)) for name, label, hint in _COLUMNS])
    table = el("table", el("thead", head), el("tbody", rows), class_="plain")
    return el(
        "section",
        el("h2", "Partitions ", el("span", _states(found), class_="dim", id="partition-states")),
        el("p", found.lag_problem or "", class_="problem", role="status", id="lag-problem"),
        el("div", table, class_="wide") if rows else el("p", "Nothing is consumed yet.", class_="dim"),
        [_remedy(partition) for partition in found.partitions if partition.state in ("lost", "stalled")],
        class_="partitions",
        id="partitions",
    )


def _states(found: OperationsDocument) -> str:
    """Return how many partitions have each state."""
    counts = Counter(partition.state for partition in found.partitions)
    return ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])


def _style(name: str) -> str | None:
    return "number" if name in _NUMBERS else None


def _row(partition: PartitionDocument) -> Element:
    seconds = partition.lag_seconds
    cells: tuple[Child, ...] = (
        f"{partition.topic} {partition.partition}",
        partition.state,
        None if partition.lag_records is None else f"{partition.lag_records:,}",
        None if seconds is None else duration_text(timedelta(seconds=seconds)) if seconds else "0s",
        None if partition.next_offset is None else f"{partition.next_offset:,}",
        None if partition.last_record_at is None else time_element(partition.last_record_at),
        None if partition.stored_at is None else time_element(partition.stored_at),
    )
    return el(
        "tr",
        [
            el("td", "–" if cell is None else cell, data_name=name, class_=_style(name))
            for (name, *_), cell in zip(_COLUMNS, cells, strict=True)
        ],
        class_=f"state-{partition.state}",
        data_partition=f"{partition.topic} {partition.partition}",
    )


def _remedy(partition: PartitionDocument) -> Element:
    """Return what is known about a partition that makes no progress, and the commands."""
    number, offset = partition.partition, partition.next_offset or 0
    if partition.state == "lost":
        return el(
            "div",
            el("h3", f"Partition {number} is halted: its log has lost records that are not stored"),
            el("p", f"It is stored up to offset {offset:,}, and the log has {partition.log_start:,} to "
               f"{partition.log_end:,}. If the records cannot be restored, continue without them:"),
            el("pre", f"agent-runs-consumer offsets accept-loss --partition {number} --by NAME", class_="command"),
            class_="remedy",
        )  # fmt: skip
    return el(
        "div",
        el("h3", f"Partition {number} makes no progress: it is halted, or no consumer runs"),
        el("p", f"{count_text(partition.lag_records or 0, 'record')} from offset {offset:,} on wait. Find out why:"),
        el("pre", "agent-runs-consumer offsets show", class_="command"),
        el("p", f"If the consumer has logged that the record at offset {offset} cannot be read or written, skip it:"),
        el(
            "pre",
            f"agent-runs-consumer offsets skip --partition {number} --offset {offset} --by NAME --because WHY",
            class_="command",
        ),
        class_="remedy",
    )


def _dead_letters(found: OperationsDocument, letters: DeadLetterPage, reason: str | None, *, is_first: bool) -> Element:
    total = sum(found.dead_letters.values())
    links = [_tab("All", total, None, is_current=reason is None)]
    links += [_tab(name, count, name, is_current=reason == name) for name, count in found.dead_letters.items()]
    rows = [dead_letter_row(letter) for letter in letters.letters]
    return el(
        "section",
        el("h2", "Open dead letters"),
        el("nav", links, class_="tabs", aria_label="Reason"),
        el("p", REASONS[reason], class_="dim") if reason else None,
        el("ul", rows, class_="letters") if rows else el("p", "No record waits for an operator.", class_="dim"),
        _pages(letters, reason, is_first=is_first),
    )


def _tab(name: str, count: int, reason: str | None, *, is_current: bool) -> Element:
    href = with_query(_PATH, [("reason", reason)] if reason else [])
    number = el("span", f"{count:,}", class_="count", data_reason=reason or "")
    return el("a", name, number, href=href, aria_current="page" if is_current else None)


def _pages(letters: DeadLetterPage, reason: str | None, *, is_first: bool) -> Element | None:
    if is_first and letters.cursor is None:
        return None
    chosen = [("reason", reason)] if reason else []
    newest = None if is_first else el("a", "Newest", href=with_query(_PATH, chosen), class_="button", rel="first")
    older = None
    if letters.cursor is not None:
        older = el(
            "a", "Older", href=with_query(_PATH, [*chosen, ("cursor", letters.cursor)]), class_="button", rel="next"
        )
    return el("nav", newest, older, class_="pages", aria_label="Pages of dead letters")
