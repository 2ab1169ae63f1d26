"""Reads the answer to a question from the body of a request: JSON of the API, or the fields of a form."""

import asyncio
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from agent_runs.codec import strict_json
from agent_runs.errors import NotJson
from agent_runs.events import Json
from viewer.access import MAX_NAME
from viewer.checks import MAX_BODY
from viewer.errors import Failure

_BODY_S: Final = 10.0
_FIELDS: Final = ("answer", "choice", "form", "by")


class NewAnswerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question. It has either `answer` or `result`.

    Attributes:
        question: the id of the request.
        answer: a text that is not empty, true or false; the result of the tool is then `{"answer": …}`.
        result: the whole result of the tool, as any JSON.
        by: who answers. If a proxy names the user, it is ignored.
    """

    question: str
    answer: str | bool | msgspec.UnsetType = msgspec.UNSET
    result: Json | msgspec.UnsetType = msgspec.UNSET
    by: str | None = None


class NewAnswer(NamedTuple):
    """The answer to a question.

    Attributes:
        question_id: the id of the request.
        result: the result of the tool.
        by: who answers.
    """

    question_id: str
    result: Json
    by: str | None


async def answer_of_json(request: Request) -> NewAnswer:
    """Return the answer that a request of the API has.

    Raises:
        Failure: its body is not an answer.
    """
    fields = _parsed(await _body(request), "The body")
    try:
        document = msgspec.convert({**_only_known(fields), "result": None}, NewAnswerDocument)
    except msgspec.ValidationError as error:
        raise Failure(400, f"The body is not an answer: {error}.") from error
    if ("answer" in fields) == ("result" in fields):
        raise Failure(400, "The body must have either `answer` or `result`.")
    result = fields["result"] if "result" in fields else _result_of(document.answer)
    return NewAnswer(document.question, result, _name(request, document.by))


async def answer_of_form(request: Request, question_id: str) -> NewAnswer:
    """Return the answer that a form has.

    Its fields are `answer`, `choice` (the button that was pressed, if it stands for an answer), `form`
    (`json`, if `answer` is the whole result), and `by`. The question is in the address: a browser changes the line
    breaks of a field, and an id may have some.

    Raises:
        Failure: its fields are not an answer.
    """
    try:
        text = (await _body(request)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=2 * len(_FIELDS))
    except ValueError as error:  # UnicodeDecodeError, too
        raise Failure(400, "The form is not encoded as UTF-8, or has too many fields.") from error
    fields = dict(pairs)
    if len(fields) < len(pairs) or not fields.keys() <= set(_FIELDS):
        raise Failure(400, f"The form must have each of {', '.join(_FIELDS)} at most once, and no other field.")
    answer = fields.get("answer", "").replace("\r\n", "\n")  # as browsers send line breaks
    choice = fields.get("choice")
    if choice and answer.strip():
        raise Failure(400, "Send the text, or choose yes or no, but not both.")
    if choice:
        result: Json = _result_of(choice)
    elif fields.get("form") == "json":
        result = _parsed(answer.encode("utf-8", "surrogatepass"), "The answer")
    else:
        result = _result_of(answer)
    return NewAnswer(question_id, result, _name(request, fields.get("by")))


async def _body(request: Request) -> bytes:
    """Return the body, whose declared length `Checks` has limited."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise Failure(413, f"The body is larger than {MAX_BODY} bytes.")
    except ClientDisconnect as error:
        raise Failure(400, "The connection ended before the body did.") from error
    except TimeoutError as error:
        raise Failure(408, f"The body did not come within {_BODY_S:g} s.", headers={"Connection": "close"}) from error
    return body


def _parsed(text: bytes, what: str) -> Json:
    try:
        return strict_json.parse(text)
    except NotJson as error:
        raise Failure(400, f"{what} is not JSON: {error}.") from error


def _only_known(fields: Json) -> dict[str, Json]:
    known = NewAnswerDocument.__struct_fields__
    if not isinstance(fields, dict) or not fields.keys() <= set(known):
        raise Failure(400, f"The body must be an object with the fields {', '.join(known)}, and no others.")
    return fields


def _result_of(answer: Json) -> Json:
    if isinstance(answer, str) and not answer.strip():
        raise Failure(400, 'The answer is empty; the result {"answer": ""} is an empty answer.')
    return {"answer": answer}


def _name(request: Request, given: str | None) -> str | None:
    """Return who answers: the user whom the proxy names, else the name that was typed."""
    user: str | None = getattr(request.state, "user", None)
    name = user or (given or "").strip() or None
    if name is not None and (len(name) > MAX_NAME or not name.isprintable()):
        raise Failure(400, f"by: a name has at most {MAX_NAME} characters, all of them printable.")
    return name
