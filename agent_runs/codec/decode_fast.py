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
_TIMESTAMP: Final = rf"\d{{4}}-\d\d-\d\dT{_HOUR}:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]{_HOUR}:[0-5]\d)"
match_timestamp: Final = re.compile(_TIMESTAMP, re.ASCII).fullmatch
_LAST_KEY: Final = b',"timestamp":"'
_LAST_KEY_WITHIN: Final = 60  # bytes
_match_last_field: Final = re.compile(rf',"timestamp":"{_TIMESTAMP}"\}}\Z'.encode()).match
_decode: Final = msgspec.json.Decoder(RunEvent).decode
_decode_time: Final = msgspec.json.Decoder(_Time).decode


def decode_fast(value: bytes) -> RunEvent | None:
    """Return the event of a message. None if `decode_event` must decode the message the slow way, and may refuse it.

    None does not mean that the message breaks the contract; its type may also be unknown.
    """
    try:
        event: RunEvent = _decode(value)
        if not value.isascii():
            value.decode()  # msgspec does not validate the UTF-8 of strings that it skips
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _has_valid_timestamp(value) or id_problem(event.id):
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


def _has_valid_timestamp(value: bytes) -> bool:
    """Whether the text of the timestamp follows the contract, in a message that msgspec has accepted."""
    # The emitter writes the timestamp last. Of a repeated key the last one counts, so the end of the message is enough.
    at = value.rfind(_LAST_KEY, -_LAST_KEY_WITHIN)
    if at >= 0 and _match_last_field(value, at):
        return True
    try:
        return match_timestamp(_decode_time(value).timestamp) is not None
    except msgspec.DecodeError:
        return False


def _is_valid_start(event: RunStarted) -> bool:
    ids = (event.agent_id, event.session_id, event.parent_run_id)
    if any(text is not None and id_problem(text) for text in ids):
        return False
    return not event.labels or labels_problem(event.labels) is None
