"""The records of a producer that breaks the message contract, one for each reason of a dead letter."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from agent_runs import Input, RunCompleted, RunStarted, ToolRequested, encode_event, new_id


@dataclass(frozen=True, slots=True)
class Message:
    """A record as the foreign producer sends it.

    Attributes:
        description: what is special about the record.
        rejected_as: the reason of the record's dead letter; None if it is a valid event or a repeat.
    """

    description: str
    key: bytes | None
    value: bytes
    rejected_as: str | None = None


def messages() -> Iterator[Message]:
    """Yield the records of one run in the order of sending. The repeat and the conflict follow the original event."""
    now, run_id = datetime.now(UTC), f"foreign-{new_id()}"
    key = run_id.encode()
    started = encode_event(RunStarted(id="1", timestamp=now, agent_id="legacy-crm-bridge"))
    hello = encode_event(
        Input(id="2", parent_event_id="1", timestamp=now, tool="message_from_user", data={"text": "hello"})
    )
    nul = encode_event(
        Input(id="3", parent_event_id="2", timestamp=now, tool="tool_result", data={"text": "ends with NUL\0"})
    )
    call = encode_event(ToolRequested(id="4", timestamp=now, tool_name="sync_contacts", tool_args={"since": None}))
    ended = encode_event(RunCompleted(id="5", parent_event_id="3", timestamp=now))

    yield Message("a valid event", key, started)
    yield Message("a valid event", key, hello)
    yield Message("a string with \\u0000, which JSON allows and JSONB does not", key, nul)
    yield Message("the same event again, byte for byte", key, hello)
    yield Message("another event with the same id", key, hello.replace(b"hello", b"bye"), "event_id_conflict")
    yield Message("half a message", key, call[: len(call) // 2], "not_json")
    yield Message("a number that JSONB cannot hold", key, call.replace(b"null}", b"1e200000}"), "store_rejected")
    yield Message("a tool without a name", key, call.replace(b'"tool_name"', b'"toolName"'), "invalid_event")
    yield Message("no key", None, call, "missing_key")
    yield Message("a key that is not UTF-8", b"run-\xff\xfe", call, "invalid_key")
    yield Message("a valid event, the end of the run", key, ended)


def rejections() -> dict[str, str]:
    """Return the descriptions of the rejected records, by reason; each reason occurs once."""
    return {message.rejected_as: message.description for message in messages() if message.rejected_as}
