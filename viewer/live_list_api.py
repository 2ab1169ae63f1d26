"""The streams of the lists, and the addresses by which their pages follow them."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent_runs.reader import Reader, RunFilter, RunSummary
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from viewer.access import client_of
from viewer.api import reader_of
from viewer.event_stream import stream_response
from viewer.live_lists import MAX_NEW, LiveLists, Page, ReadNewest
from viewer.parameters import FILTER_PARAMETERS, Parameters, run_filter, with_query

_RUNS: Final = "/api/live/runs"
_QUESTIONS: Final = "/api/live/questions"
_MAX_ADDRESS: Final = 7000  # characters; runs whose ids do not fit are not followed


def runs_stream(filters: Sequence[tuple[str, str]], newest: RunSummary | None, shown: Sequence[RunSummary]) -> str:
    """Return the address that follows a list of runs.

    Args:
        filters: the parameters of its filter.
        newest: the newest run of the list.
        shown: the runs that the page shows.
    """
    place = None if newest is None else Position(newest.created_at, newest.id)
    return _address(_RUNS, filters, place, shown)


def questions_stream(newest: RunSummary | None, shown: Sequence[RunSummary]) -> str:
    """Return the address that follows the inbox; `newest` is the run that waits for the shortest time."""
    place = None if newest is None else Position(newest.status_changed_at, newest.id)
    return _address(_QUESTIONS, (), place, shown)


async def follow_runs(request: Request) -> Response:
    """Send the changes of the shown runs, and how many new runs meet the conditions of the parameters."""
    parameters = Parameters(request, (*FILTER_PARAMETERS, "newest", "run"))
    condition = run_filter(parameters)
    return _stream(request, parameters, f"runs {condition!r}", partial(_newest_runs, reader_of(request), condition))


async def follow_questions(request: Request) -> Response:
    """Send the changes of the shown runs, and how many other runs wait since then."""
    parameters = Parameters(request, ("newest", "run"))
    return _stream(request, parameters, "questions", partial(_newest_waiting, reader_of(request)))


def _stream(request: Request, parameters: Parameters, key: str, read_newest: ReadNewest) -> Response:
    newest = parameters.text("newest")
    page = Page(
        key, read_newest, decode_cursor(newest) if newest else None, parameters.all("run"), client_of(request.scope)
    )
    lists: LiveLists = request.app.state.live_lists
    return stream_response(request, lists.follow(page))


async def _newest_runs(reader: Reader, condition: RunFilter) -> list[Position]:
    page = await reader.list_runs(condition, limit=MAX_NEW + 1)
    return [Position(run.created_at, run.id) for run in page.runs]


async def _newest_waiting(reader: Reader) -> list[Position]:
    page = await reader.waiting_runs(limit=MAX_NEW + 1, newest_first=True)
    return [Position(run.status_changed_at, run.id) for run in page.runs]


def _address(
    path: str, filters: Sequence[tuple[str, str]], newest: Position | None, shown: Sequence[RunSummary]
) -> str:
    pairs = [*filters, *([] if newest is None else [("newest", encode_cursor(newest))])]
    address = with_query(path, pairs)
    for run in shown:
        added = with_query("", [("run", run.id)])
        if len(address) + len(added) > _MAX_ADDRESS:
            break
        address += added if address == path else added.replace("?", "&", 1)
    return address
