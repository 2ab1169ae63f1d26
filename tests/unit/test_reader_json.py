"""The JSON of runs and events, and the cursor of a page."""

import json
from datetime import UTC, datetime

import pytest

from agent_runs import Input, UnknownEvent
from agent_runs.reader import InvalidCursor, OpaqueEvent, RunSummary, StoredEvent, StoredRun, event_of_message
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.status import RunStatus
from tests.support.messages import event

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def stored(message: bytes, raw: bytes | None = None) -> StoredEvent:
    found = event_of_message(raw or message, id="stored", type="input")
    return StoredEvent(seq=0, created_at=AT, partition=1, offset=2, event=found, raw=raw)


def test_the_json_of_a_run_has_the_fields_of_the_original_design_first() -> None:
    run = StoredRun(
        id="r",
        agent="a",
        created_at=AT,
        updated_at=AT,
        status=RunStatus.RUNNING,
        event_count=1,
        status_changed_at=AT,
        events=[stored(event("e", data={"b": 1, "a": 2}, more="field"))],
    )

    written = json.loads(run.to_json())

    names = ["id", "parent_run_id", "agent", "session_id", "created_at", "updated_at", "status", "events"]
    assert list(written)[:8] == names
    assert list(written["events"][0]) == ["seq", "created_at", "partition", "offset", "event"]
    assert written["events"][0]["event"] == json.loads(event("e", data={"b": 1, "a": 2}, more="field"))
    # A list of runs has the same fields, without the events.
    summary = RunSummary(**{name: getattr(run, name) for name in RunSummary.__struct_fields__})
    assert json.loads(summary.to_json()) == {name: value for name, value in written.items() if name != "events"}


def test_an_event_is_decoded_from_its_exact_message_if_there_is_one() -> None:
    found = stored(event("e", data="\N{REPLACEMENT CHARACTER}"), raw=event("e", data="\0\ud800"))

    assert isinstance(found.event, Input)
    assert found.event.data == "\0\ud800"
    assert json.loads(found.to_json())["event"]["data"] == "\0\ud800"


def test_an_event_of_an_unknown_type_keeps_its_message() -> None:
    found = stored(event("e", "of_tomorrow", x=1))

    assert isinstance(found.event, UnknownEvent)
    assert found.type == "of_tomorrow"
    assert found.event.message["x"] == 1


@pytest.mark.parametrize("message", [b"", b"[]", b'{"type":"input"}', b"{" * 1000, b"\xff", event("e", "llm_called")])
def test_a_message_that_cannot_be_decoded_becomes_an_opaque_event_with_the_error(message: bytes) -> None:
    found = event_of_message(message, id="e", type="input")

    assert isinstance(found, OpaqueEvent)
    assert (found.id, found.type, found.original) == ("e", "input", message)
    assert found.error
    written = json.loads(StoredEvent(seq=0, created_at=AT, partition=0, offset=0, event=found).to_json())
    assert (written["event"], written["error"]) == (None, found.error)


def test_a_cursor_gives_back_its_position() -> None:
    position = Position(AT, "Ä/run?")

    assert decode_cursor(encode_cursor(position)) == position
    assert encode_cursor(position).isascii()


@pytest.mark.parametrize(
    "text", ["", "x", "Ä", "e30", "WyIyMDI2IiwiYSJd", "WyIyMDI2LTAxLTMxVDEyOjAwOjAwIiwiYSJd", "=="]
)
def test_a_text_that_is_not_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor, match="pass the `cursor`"):
        decode_cursor(text)
