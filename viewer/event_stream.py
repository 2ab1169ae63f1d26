"""Server-sent events: the form of a message, and the response that sends them."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent_runs.codec.lossy_json import dump_struct

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE: Final = b": keep-alive\n\n"


def message(name: str, data: object) -> bytes:
    """Return a message with data as JSON."""
    return json_message(name, dump_struct(data))


def json_message(name: str, json: bytes, id: int | None = None) -> bytes:
    """Return a message with JSON; `id` is what a client that connects again has seen last."""
    # JSON has no line break, which would end the field.
    head = b"" if id is None else b"id: %d\n" % id
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), json)


def stream_response(request: Request, messages: AsyncIterator[bytes]) -> Response:
    """Return the response that sends messages as they come."""
    if request.method == "HEAD":  # its answer has an end
        return Response(media_type=MEDIA_TYPE)
    return StreamingResponse(messages, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
