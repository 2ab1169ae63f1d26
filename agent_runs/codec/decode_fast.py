"""Decodes and validates a message of a known type in less time than `read_envelope` and the decoder of events take."""

import re
from typing import Final

import msgspec

from agent_runs.codec.json_scan import too_deep
from agent_runs.events import LlmCalled, RunEvent, RunStarted
from agent_runs.ids import id_problem
from agent_runs.labels import labels_problem


class _Time(msgspec.Struct, gc=False):
    """The timestamp as text: the contract refuses some texts that msgspec accepts as a `datetime`."""

    timestamp: str


# The pattern bounds the hour: from Python 3.14 on, `fromisoformat` accepts 24:00 as midnight of the next day.
_HOUR: Final = r"(?:[01]\d|2[0-3])"
match_timestamp: Final = re.compile(
    rf"\d{{4}}-\d\d-\d\dT{_HOUR}:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]{_HOUR}:[0-5]\d)", re.ASCII
).fullmatch
_decode: Final = msgspec.json.Decoder(RunEvent).decode
_decode_time: Final = msgspec.json.Decoder(_Time).decode


def decode_fast(value: bytes) -> RunEvent | None:
    """Return the event of a message. None if `decode_event` must decode the message the slow way, and may refuse it.

    None does not mean that the message breaks the contract; its type may also be unknown.
    """
    try:
        event: RunEvent = _decode(value)
        time = _decode_time(value).timestamp
        if not value.isascii():
            value.decode()  # msgspec does not validate the UTF-8 of strings that it skips
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if match_timestamp(time) is None or id_problem(event.id):
        return None
    if event.parent_event_id is not None and id_problem(event.parent_event_id):
        return None
    if type(event) is RunStarted and not _is_valid_start(event):
        return None
    text = (
        len(event.system_prompt) + len(event.user_prompt) + len(event.raw_response) if type(event) is LlmCalled else 0
    )
    if too_deep(value, text):
        return None
    event.__dict__["original"] = value
    return event


def _is_valid_start(event: RunStarted) -> bool:
    ids = (event.agent_id, event.session_id, event.parent_run_id)
    if any(text is not None and id_problem(text) for text in ids):
        return False
    return not event.labels or labels_problem(event.labels) is None
