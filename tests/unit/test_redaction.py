"""The mask of an emitter: what it gets, and what is sent in place of the content."""

from typing import Any

import pytest

from agent_runs import LlmCalled, RunFailed, UnknownEvent, decode_event
from agent_runs.events import EVENT_CLASSES
from agent_runs.testing import RecordingEmitter
from tests.support.builders import message
from tests.support.emitter_calls import CALLS, FIELDS

pytestmark = pytest.mark.usefixtures("own_logs")


def test_a_mask_gets_every_content_field_and_its_name() -> None:
    seen: dict[str, Any] = {}

    def mask(field: str, value: Any) -> Any:
        seen[field] = value
        return f"masked {field}"

    emitter = RecordingEmitter(mask=mask)
    run = emitter.run("r")
    for call in CALLS.values():
        call(run)
    emitter.emit("r", decode_event(message("brand_new", secret=[1])))

    expected = {
        f"{name}.{field}": value
        for name, fields in FIELDS.items()
        for field, value in fields.items()
        if field not in {"tool", "tool_name", "model", "agent_id", "session_id", "parent_run_id", "count", "types"}
    }
    assert seen == expected | {"brand_new.secret": [1]}
    for event in emitter.events():
        if isinstance(event, UnknownEvent):
            assert event.message["secret"] == "masked brand_new.secret"
            continue
        for field, value in FIELDS[event.type].items():
            masked = f"{event.type}.{field}" in expected
            assert getattr(event, field) == (f"masked {event.type}.{field}" if masked else value)
    assert emitter.stats().dropped == {}


def test_every_field_of_the_contract_is_either_a_name_or_content() -> None:
    # A new field belongs to one of these sets: add it here, and its content to `redaction`.
    names = {"tool", "tool_name", "model", "agent_id", "session_id", "parent_run_id", "count", "types"}
    names |= {"role", "labels"}
    contents = {"data", "context", "tool_args", "result", "system_prompt", "user_prompt", "raw_response"}
    fields = {field for cls in EVENT_CLASSES.values() for field in cls.__struct_fields__}

    assert fields == names | contents | {"error", "reason", "detail", "id", "parent_event_id", "timestamp"}


def test_a_mask_that_fails_leaves_a_placeholder_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def mask(field: str, value: Any) -> Any:
        if field == "llm_called.user_prompt":
            raise LookupError(value)
        return 5 if field == "llm_called.raw_response" else value

    emitter = RecordingEmitter(mask=mask)
    for _ in range(3):
        emitter.run("r").llm_called(model="m", system_prompt="s", user_prompt="secret", raw_response="secret")

    event, *_ = emitter.events()
    assert isinstance(event, LlmCalled)
    assert event.system_prompt == "s"
    assert event.user_prompt == "[masked: the mask raised LookupError]"
    assert event.raw_response == "[masked: the mask returned int, not text]"
    assert [b"secret" in record.value for record in emitter.records] == [False] * 3
    # Each field is logged once, at its first failure.
    assert [record.getMessage() for record in caplog.records] == [
        "The mask failed for llm_called.user_prompt: it raised LookupError; a placeholder replaces the content",
        "The mask failed for llm_called.raw_response: it returned int, not text; a placeholder replaces the content",
    ]


def test_an_identity_mask_leaves_an_unknown_event_unchanged() -> None:
    emitter = RecordingEmitter(mask=lambda _, value: value)
    event = decode_event(message("brand_new", error={"code": 5}, reason=None, data=[1]))
    emitter.emit("r", event)

    assert emitter.events() == [event]


def test_the_error_of_a_failed_run_is_masked() -> None:
    emitter = RecordingEmitter(mask=lambda _, value: str(value).replace("4711", "****"))
    with pytest.raises(ValueError, match="4711"), emitter.run("r"):
        raise ValueError("card 4711")

    (event,) = emitter.events()
    assert isinstance(event, RunFailed)
    assert event.error == "ValueError: card ****"
