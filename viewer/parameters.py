"""Reads the parameters of a request, and refuses what is not one with a sentence that names it."""

from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from agent_runs.reader import RunFilter
from agent_runs.status import RunStatus
from agent_runs.times import parse_duration, parse_time
from viewer.errors import Failure

MAX_SEQ: Final = 2**31 - 1  # PostgreSQL's integer
_MAX_TEXT: Final = 1000  # characters of one parameter
_MAX_REPEATED: Final = 50
TRUE: Final = ("1", "true", "on")
_FALSE: Final = ("0", "false", "")


class Parameters:
    """The query parameters of a request. An empty one counts as not given, as forms send them.

    Args:
        request: the request.
        known: the names that it may have.

    Raises:
        Failure: it has another one, or one that is too long.
    """

    def __init__(self, request: Request, known: Collection[str]) -> None:
        self._values: dict[str, list[str]] = {}
        try:
            unquote(request.scope["query_string"].decode("ascii"), errors="strict")
        except UnicodeDecodeError as error:
            raise Failure(400, "The parameters are not encoded as UTF-8.") from error
        for name, text in request.query_params.multi_items():
            if name not in known:
                raise Failure(
                    400, f"There is no parameter {name[:50]!r}. Parameters: {', '.join(sorted(known)) or 'none'}."
                )
            if len(text) > _MAX_TEXT or "\0" in text:
                raise Failure(400, f"{name}: must have at most {_MAX_TEXT} characters, and no NUL.")
            if text:
                self._values.setdefault(name, []).append(text)
        for name, texts in self._values.items():
            if len(texts) > _MAX_REPEATED:
                raise Failure(400, f"{name}: may be given at most {_MAX_REPEATED} times.")

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter."""
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """Return the value of a parameter that may be given once; None if it is not given."""
        texts = self._values.get(name, [])
        if len(texts) > 1:
            raise Failure(400, f"{name}: may be given once.")
        return texts[0] if texts else None

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a parameter that is a whole number from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or not low <= int(text) <= high:
            raise Failure(400, f"{name}: must be a number from {low} to {high}, got {text[:50]!r}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a parameter that is 1 or 0."""
        text = self.text(name) or ""
        if text not in (*TRUE, *_FALSE):
            raise Failure(400, f"{name}: must be 1 or 0, got {text[:50]!r}.")
        return text in TRUE

    def parsed(self, name: str, parse: Callable[[str], Any]) -> Any:
        """Return what a parameter stands for; None if it is not given."""
        text = self.text(name)
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise Failure(400, f"{name}: {error}.") from error


FILTER_PARAMETERS: Final = (*RunFilter.__struct_fields__, "label")


def run_filter(parameters: Parameters) -> RunFilter:
    """Return the conditions of a list of runs."""
    return RunFilter(
        status=parameters.parsed("status", _status),
        agent=parameters.text("agent"),
        session=parameters.text("session"),
        parent=parameters.text("parent"),
        created_from=parameters.parsed("created_from", parse_time),
        created_before=parameters.parsed("created_before", parse_time),
        updated_from=parameters.parsed("updated_from", parse_time),
        updated_before=parameters.parsed("updated_before", parse_time),
        stale_for=parameters.parsed("stale_for", parse_duration),
        has_dropped_events=parameters.flag("has_dropped_events"),
        labels=_labels(parameters.all("label")) or None,
        has_open_questions=parameters.flag("has_open_questions"),
        top_level=parameters.flag("top_level"),
    )


def _status(text: str) -> RunStatus:
    try:
        return RunStatus(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(RunStatus)}, got {text[:50]!r}") from None


def _labels(texts: list[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise Failure(400, f"label: {text[:50]!r} is not a label like environment=test.")
        if labels.setdefault(name, value) != value:
            raise Failure(400, "label: a run has one value for each name.")
    return labels


def path_part(request: Request, name: str) -> str:
    """Return a part of the path, decoded.

    Raises:
        Failure: it does not encode UTF-8 text.
    """
    try:
        text = unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Failure(404, "There is no such page.")
    return text


def path_number(request: Request, name: str, low: int) -> int:
    """Return a part of the path that is a number."""
    text = path_part(request, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= MAX_SEQ):
        raise Failure(404, f"{text[:50]!r} is not a number from {low} to {MAX_SEQ}.")
    return int(text)


class Address(NamedTuple):
    """The address of a run: of its page, and of what is below it."""

    run_id: str

    def page(self, rest: str = "") -> str:
        """Return the path of a page of the run."""
        return f"/runs/{quote(self.run_id, safe='')}{rest}"

    def api(self, rest: str = "") -> str:
        """Return the path of a document of the run."""
        return f"/api{self.page(rest)}"

    @staticmethod
    def answer(question_id: str) -> str:
        """Return the path of what has become of a question, below the address of its run."""
        return f"/answers/{quote(question_id, safe='')}"


def with_query(path: str, pairs: Collection[tuple[str, str]]) -> str:
    """Return a path with query parameters."""
    return f"{path}?{urlencode(list(pairs))}" if pairs else path
