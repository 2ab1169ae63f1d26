"""What the page of a run fetches beside its events: their structure, where a text is, and the tokens that were used."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from viewer.api import reader_of, struct_response, summary_of
from viewer.errors import Failure
from viewer.parameters import MAX_SEQ, Parameters

MAX_STRUCTURE: Final = 5000  # events
MAX_SCANS: Final = 2  # at a time, of all clients: each keeps a connection and a process of PostgreSQL busy


async def get_structure(request: Request) -> Response:
    """Return the types, parents and times of some events of a run."""
    parameters = Parameters(request, ("after", "limit"))
    run = await summary_of(request)
    after = parameters.number("after", -1, -1, MAX_SEQ)
    limit = parameters.number("limit", MAX_STRUCTURE, 1, MAX_STRUCTURE)
    return struct_response(await reader_of(request).structure(run.id, after=after, limit=limit))


async def search_events(request: Request) -> Response:
    """Return which of the next events of a run have a text in their message."""
    parameters = Parameters(request, ("q", "after", "type"))
    text = parameters.text("q")
    if text is None:
        raise Failure(400, "q: is the text to find, and is missing.")
    after = parameters.number("after", -1, -1, MAX_SEQ)
    run = await summary_of(request)
    async with request.app.state.scans:
        found = await reader_of(request).search_events(run.id, text, after=after, types=parameters.all("type") or None)
    return struct_response(found)


async def get_usage(request: Request) -> Response:
    """Return the sums of the numbers in the field `usage` of the next model calls of a run."""
    after = Parameters(request, ("after",)).number("after", -1, -1, MAX_SEQ)
    run = await summary_of(request)
    async with request.app.state.scans:
        return struct_response(await reader_of(request).usage(run.id, after=after))
