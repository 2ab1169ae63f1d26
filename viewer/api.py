"""The JSON API. Runs, events and questions have the JSON of the reader."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.reader import Reader, RunSummary
from agent_runs.reader.run_source import DEFAULT_LIMIT, MAX_LIMIT
from viewer.access import client_of
from viewer.calls import find_call
from viewer.errors import Failure
from viewer.event_lines import MAX_LINES, read_lines
from viewer.event_stream import stream_response
from viewer.live import LiveRuns
from viewer.openapi import StatusDocument, openapi_document
from viewer.parameters import FILTER_PARAMETERS, MAX_SEQ, Parameters, path_number, path_part, run_filter

PAGE: Final = ("limit", "cursor")


def reader_of(request: Request) -> Reader:
    """Return the reader of the application."""
    reader: Reader = request.app.state.reader
    return reader


def live_of(request: Request) -> LiveRuns:
    """Return the runs that are followed."""
    live: LiveRuns = request.app.state.live
    return live


async def summary_of(request: Request) -> RunSummary:
    """Return the run that the path names, without its events.

    Raises:
        Failure: it does not exist.
    """
    run_id = path_part(request, "run")
    run = await reader_of(request).get_summary(run_id)
    if run is None:
        raise Failure(404, f"There is no run {run_id!r}.")
    return run


async def list_runs(request: Request) -> Response:
    """Return a page of the runs that meet the conditions of the parameters, newest first."""
    parameters = Parameters(request, (*FILTER_PARAMETERS, *PAGE))
    limit = parameters.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    page = await reader_of(request).list_runs(run_filter(parameters), limit=limit, cursor=parameters.text("cursor"))
    return _json(b'{"runs":[%s],"cursor":%s}' % (_joined(page.runs), msgspec.json.encode(page.cursor)))


async def get_run(request: Request) -> Response:
    """Return a run without its events."""
    Parameters(request, ())
    return _json((await summary_of(request)).to_json())


async def list_events(request: Request) -> Response:
    """Return a page of the events of a run, without their payloads."""
    parameters = Parameters(request, ("after", "limit", "type"))
    after = parameters.number("after", -1, -1, MAX_SEQ)
    limit = parameters.number("limit", 200, 1, MAX_LINES)
    types = parameters.all("type") or None
    lines = await read_lines(reader_of(request), path_part(request, "run"), after, limit, types)
    if not lines.events and after == -1:
        await summary_of(request)  # a run that does not exist is not a run without events
    return struct_response(lines)


async def get_event(request: Request) -> Response:
    """Return an event with its payload: the message as it was published."""
    Parameters(request, ())
    seq = path_number(request, "seq", 0)
    run_id = path_part(request, "run")
    async for stored in reader_of(request).get_run_events(run_id, after=seq - 1, until=seq):
        return _json(stored.to_json())
    raise Failure(404, f"The run {run_id!r} has no event {seq}.")


async def get_call(request: Request) -> Response:
    """Return a call of a language model: its prompt, its answer, and the difference to the prompt before."""
    Parameters(request, ())
    run = await summary_of(request)
    found = await find_call(reader_of(request), run.id, path_number(request, "number", 1))
    return struct_response(found.call)


async def follow_events(request: Request) -> Response:
    """Send the events of a run that are stored after a number, as they are stored."""
    parameters = Parameters(request, ("after",))
    after = parameters.number("after", -1, -1, MAX_SEQ)
    last_id = request.headers.get("last-event-id", "")  # of a client that connects again
    if last_id.isascii() and last_id.isdigit() and len(last_id) <= 10:
        after = min(int(last_id), MAX_SEQ)
    run = await summary_of(request)
    return stream_response(request, live_of(request).follow(run.id, after, client_of(request.scope)))


async def list_questions(request: Request) -> Response:
    """Return a page of the questions that nobody has answered, those first whose run waits longest."""
    parameters = Parameters(request, PAGE)
    limit = parameters.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    page = await reader_of(request).open_questions(limit=limit, cursor=parameters.text("cursor"))
    return _json(b'{"questions":[%s],"cursor":%s}' % (_joined(page.questions), msgspec.json.encode(page.cursor)))


async def get_status(request: Request) -> Response:
    """Return the number of runs by status, and how far the topics are stored."""
    Parameters(request, ())
    reader = reader_of(request)
    counts, store = await reader.count_by_status(), await reader.store_status()
    return _json(
        msgspec.json.encode(
            StatusDocument(
                runs={status.value: count for status, count in counts.items()},
                partitions=store.partitions,
                open_dead_letters=store.open_dead_letters,
            )
        )
    )


async def get_openapi(request: Request) -> Response:
    """Return the description of this API."""
    Parameters(request, ())
    return _json(openapi_document())


def _joined(items: list[Any]) -> bytes:
    return b",".join(item.to_json() for item in items)


def struct_response(document: msgspec.Struct) -> Response:
    """Return the response with a struct as JSON, even if a text in it has a lone surrogate."""
    return _json(dump_struct(document))


def _json(document: bytes) -> Response:
    return Response(document, media_type="application/json")
