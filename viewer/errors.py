"""Why a request has no answer: the status, the sentence, and the response, as JSON below `/api` and else as a page."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.errors import AgentRunsError, SettingsError
from agent_runs.reader import DatabaseNotReady, DatabaseUnavailable, InvalidCursor, ReaderError
from viewer.error_page import error_page

RETRY_S = 3


class Failure(AgentRunsError):
    """A request that is answered with an error.

    Attributes:
        status: the HTTP status.
        sentence: what is wrong, and what to do about it.
        headers: further headers of the response.
    """

    def __init__(self, status: int, sentence: str, *, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class ErrorDocument(msgspec.Struct, frozen=True):
    """The answer of the API to a request that fails.

    Attributes:
        error: what is wrong, and what to do about it.
    """

    error: str


def failure_of(error: Exception) -> Failure:
    """Return the failure that an exception of the reader stands for."""
    match error:
        case Failure():
            return error
        case DatabaseUnavailable():
            return Failure(503, f"{error}.", headers={"Retry-After": str(RETRY_S)})
        case DatabaseNotReady() | SettingsError():  # an operator changes it while the viewer runs
            return Failure(503, f"{error}.", headers={"Retry-After": str(RETRY_S)})
        case InvalidCursor():
            return Failure(400, f"cursor: {error}.")
        case ReaderError():
            return Failure(400, f"{error}.")
    return Failure(500, "An unexpected error; the log of the viewer has it.")


def failure_response(request: Request, failure: Failure) -> Response:
    """Return the response for a failure."""
    headers = dict(failure.headers)
    if request.scope["path"].startswith("/api"):
        content = dump_struct(ErrorDocument(failure.sentence))  # it may quote a lone surrogate
        return Response(content, failure.status, headers, "application/json")
    page = error_page(failure.status, failure.sentence, RETRY_S if failure.status == 503 else None)
    return Response(page, failure.status, headers, "text/html; charset=utf-8")


async def on_error(request: Request, error: Exception) -> Response:
    """Answer a request whose handler has raised an exception."""
    return failure_response(request, failure_of(error))


async def on_unknown_address(request: Request, error: Exception) -> Response:  # noqa: ARG001  # Starlette's signature
    """Answer a request for an address that does not exist."""
    return failure_response(request, Failure(404, "There is no such page."))
