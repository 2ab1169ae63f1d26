"""The description of the JSON API as an OpenAPI document, generated from the structs of its answers."""

from datetime import datetime
from functools import cache
from inspect import cleandoc
from typing import Any, Final

import msgspec

from agent_runs.events import Json
from agent_runs.reader import Hits, LlmCall, PartitionStatus, RunFilter, RunSummary, StatusCount, Structure, Usage
from viewer.answer_document import AnswerDocument
from viewer.answer_requests import NewAnswerDocument
from viewer.errors import ErrorDocument
from viewer.event_lines import EventLines
from viewer.operations import OperationsDocument

_VERSION: Final = "3.1.0"


class RunPageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs, newest first.

    Attributes:
        runs: the runs.
        cursor: pass it as `cursor` for the next page; null on the last page.
    """

    runs: list[RunSummary]
    cursor: str | None


class EventDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its payload, as `StoredEvent.to_json` writes it.

    Attributes:
        seq: its number in the run.
        created_at: the record's timestamp.
        partition: the partition of the record.
        offset: the offset of the record.
        event: the message as it was published; null if it cannot be decoded.
        raw: the exact message as base64, if PostgreSQL's JSONB cannot store its text.
        id: the event's id, if it cannot be decoded.
        parent_event_id: the id of its parent, if it cannot be decoded.
        type: its type, if it cannot be decoded.
        error: why it cannot be decoded.
    """

    seq: int
    created_at: datetime
    partition: int
    offset: int
    event: dict[str, Json] | None
    raw: bytes | None = None
    id: str | None = None
    parent_event_id: str | None = None
    type: str | None = None
    error: str | None = None


class QuestionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An open question, as `OpenQuestion.to_json` writes it. See `agent_runs.reader.OpenQuestion`."""

    run_id: str
    agent: str
    id: str
    tool_name: str
    text: str
    arguments: Json
    seq: int | None
    asked_at: datetime


class QuestionPageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A page of open questions, those first whose run waits longest.

    Attributes:
        questions: the questions.
        cursor: pass it as `cursor` for the next page; null on the last page.
    """

    questions: list[QuestionDocument]
    cursor: str | None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs there are, and how far the consumers have stored the topics.

    Attributes:
        runs: the number of runs, by status.
        partitions: how far each partition is stored.
        open_dead_letters: how many refused records wait for an operator; 10,001 stands for more than 10,000.
    """

    runs: dict[str, StatusCount]
    partitions: list[PartitionStatus]
    open_dead_letters: int


_PAGE: Final = {"limit": "The length of the page, from 1 to 1000.", "cursor": "The `cursor` of the page before."}
_LIVE: Final = {"newest": "The newest run that is known, as a cursor.", "run": "A run that is shown; up to 50 times."}
_AFTER: Final = {"after": "Begin with the event after this number."}
# The path, what it returns, the struct of its answer, and its query parameters.
_PATHS: Final[tuple[tuple[str, str, type | None, dict[str, str]], ...]] = (
    ("/api/runs", "A page of runs, newest first.", RunPageDocument, _PAGE),
    ("/api/runs/{id}", "A run without its events.", RunSummary, {}),
    (
        "/api/runs/{id}/events",
        "The events of a run without their payloads.",
        EventLines,
        {**_AFTER, "limit": "At most so many, from 1 to 500.", "type": "Only of this type; may be repeated."},
    ),
    ("/api/runs/{id}/events/{seq}", "An event with its payload.", EventDocument, {}),
    ("/api/runs/{id}/events/stream", "New events as server-sent events; `Last-Event-ID` continues.", None, _AFTER),
    (
        "/api/runs/{id}/structure",
        "The types, parents and times of events, by column.",
        Structure,
        {**_AFTER, "limit": "At most so many, from 1 to 5000."},
    ),
    (
        "/api/runs/{id}/search",
        "The next events whose message has a text; repeat until it is complete.",
        Hits,
        {"q": "The text, whatever its case.", **_AFTER, "type": "Only of this type; may be repeated."},
    ),
    ("/api/runs/{id}/usage", "What the next model calls used; repeat until it is complete.", Usage, _AFTER),
    ("/api/runs/{id}/calls/{n}", "A call of a language model, counted from 1.", LlmCall, {}),
    ("/api/runs/{id}/answers/{question}", "What has become of a question.", AnswerDocument, {}),
    ("/api/questions", "The questions that nobody has answered.", QuestionPageDocument, _PAGE),
    (
        "/api/live/runs",
        "Changes of a list of runs, and the number of new ones, as server-sent events.",
        None,
        _LIVE,
    ),
    ("/api/live/questions", "The same for the runs that wait for an answer.", None, _LIVE),
    ("/api/operations", "The lag of each partition, and the open dead letters by reason.", OperationsDocument, {}),
    ("/api/status", "The number of runs, and how far the topics are stored.", StatusDocument, {}),
)


@cache
def openapi_document() -> bytes:
    """Return the OpenAPI document as JSON."""
    structs: list[Any] = [*(answer for _, _, answer, _ in _PATHS if answer is not None), RunFilter, ErrorDocument]
    structs.append(NewAnswerDocument)
    schemas, definitions = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(structs, schemas, strict=True))
    conditions = [
        *(_in_query(name, schema, "A condition.") for name, schema in definitions["RunFilter"]["properties"].items()),
        _in_query("label", {"type": "string"}, "A label as name=value; may be repeated."),
    ]
    conditions = [parameter for parameter in conditions if parameter["name"] != "labels"]
    failure = {"description": "Why not.", "content": _json_content(schema_of[ErrorDocument])}
    paths = {}
    for path, text, answer, query in _PATHS:
        parameters = [_in_path(name) for name in ("id", "seq", "n", "question") if f"{{{name}}}" in path]
        parameters += [_in_query(name, {"type": "string"}, meaning) for name, meaning in query.items()]
        parameters += conditions if answer is RunPageDocument else []
        content = {"text/event-stream": {"schema": {"type": "string"}}}
        if answer is not None:
            content = _json_content(schema_of[answer])
        responses = {"200": {"description": text, "content": content}, "default": failure}
        paths[path] = {"get": {"summary": text, "parameters": parameters, "responses": responses}}
    paths["/api/runs/{id}/answers"] = {
        "post": _answers(schema_of[NewAnswerDocument], schema_of[AnswerDocument], failure)
    }
    for definition in definitions.values():
        definition["description"] = cleandoc(definition.get("description", ""))
    document = {
        "openapi": _VERSION,
        "info": {"title": "Agent Runs viewer", "version": "1"},
        "paths": paths,
        "components": {"schemas": definitions},
    }
    return msgspec.json.encode(document)


def _answers(body: Any, answer: Any, failure: dict[str, Any]) -> dict[str, Any]:
    """Return the description of the operation that publishes an answer."""
    return {
        "summary": "Publish the answer to an open question.",
        "parameters": [_in_path("id")],
        "requestBody": {"required": True, "content": _json_content(body)},
        "responses": {
            "202": {"description": "Kafka has the answer.", "content": _json_content(answer)},
            "409": {**failure, "description": "The question is answered already."},
            "502": {**failure, "description": "Kafka did not acknowledge the answer."},
            "default": failure,
        },
    }


def _json_content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _in_path(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "integer" if name in ("seq", "n") else "string"},
    }


def _in_query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}
