"""A foreign producer that has not read the contract: one message for each thing that can be wrong with a record."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from agent_runs.codec.encode import encode_event
from agent_runs.events import Input, RunCompleted, RunStarted, ToolRequested
from agent_runs.ids import new_id


@dataclass(frozen=True, slots=True)
class Message:
    """A record as the foreign producer sends it.

    Attributes:
        rejected_as: the dead letter's reason; None where the record is no dead letter.
    """

    what: str
    key: bytes | None
    value: bytes
    rejected_as: str | None = None


def messages(now: datetime) -> Iterator[Message]:
    """In the order of sending, which matters: a repeat and a conflict need the event that they follow."""
    run = f"foreign-{new_id()}"
    key = run.encode()
    started = encode_event(RunStarted(id="1", timestamp=now, agent_id="legacy-crm-bridge"))
    said = encode_event(Input(id="2", timestamp=now, tool="message_from_user", data={"text": "hello"}))
    nul = encode_event(Input(id="3", timestamp=now, tool="tool_result", data={"text": "C string\0 with its NUL"}))
    call = encode_event(ToolRequested(id="4", timestamp=now, tool_name="sync_contacts", tool_args={"since": None}))
    ended = encode_event(RunCompleted(id="5", timestamp=now))

    yield Message("a run of its own, as it should be", key, started)
    yield Message("an ordinary event", key, said)
    yield Message("a string with \\u0000 in it: legal JSON, and no JSONB", key, nul)
    yield Message("the same event again, byte for byte", key, said)
    yield Message("another event of the same id", key, said.replace(b"hello", b"good bye"), "event_id_conflict")
    yield Message("half a message", key, call[: len(call) // 2], "not_json")
    yield Message("a number beyond what JSONB can hold", key, call.replace(b"null}", b"1e200000}"), "store_rejected")
    yield Message("a tool without a name", key, call.replace(b'"tool_name"', b'"toolName"'), "invalid_event")
    yield Message("no key, so no run", None, call, "missing_key")
    yield Message("a key that is no UTF-8", b"run-\xff\xfe", call, "invalid_key")
    yield Message("after all that, the end of its run", key, ended)


def rejections() -> dict[str, str]:
    """What will be rejected, by the reason for it; each reason occurs once."""
    sent = messages(datetime.now(UTC))
    return {message.rejected_as: message.what for message in sent if message.rejected_as}
