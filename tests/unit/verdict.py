"""The contract's judgement of a message, once more: slowly, by hand, and with nothing of the product."""

import json
import re
from datetime import date
from typing import Any, Literal, NamedTuple, NoReturn

Verdict = Literal["event", "not_json", "invalid_event"]


class Number(NamedTuple):
    """A number as it stands in the text."""

    literal: str


ANY, TEXT, ID, MAYBE_TEXT, MAYBE_ID, MAYBE_ANY, COUNT = "any", "text", "id", "text?", "id?", "any?", "count"

FIELDS: dict[str, dict[str, str]] = {
    "input": {"tool": TEXT, "data": ANY},
    "context_assembled": {"context": ANY},
    "llm_called": {"model": TEXT, "system_prompt": TEXT, "user_prompt": TEXT, "raw_response": TEXT},
    "tool_requested": {"tool_name": TEXT, "tool_args": ANY},
    "tool_succeeded": {"tool_name": TEXT, "result": ANY},
    "tool_failed": {"tool_name": TEXT, "error": TEXT},
    "run_started": {"agent_id": ID, "session_id": MAYBE_ID, "parent_run_id": MAYBE_ID},
    "run_waiting": {"reason": MAYBE_TEXT},
    "run_resumed": {"reason": MAYBE_TEXT},
    "run_completed": {"result": MAYBE_ANY},
    "run_failed": {"error": TEXT},
    "events_dropped": {"count": COUNT, "reason": MAYBE_TEXT},
}
COMMON = {"type": ID, "id": ID, "parent_event_id": MAYBE_ID}


def verdict(value: bytes) -> Verdict:
    """What a message is."""
    try:
        text = value.decode("utf-8", "strict")
        if depth(text) > 512:
            return "not_json"
        decoded = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse)
    except ValueError:
        return "not_json"
    return "event" if keeps_the_contract(decoded) else "invalid_event"


def refuse(name: str) -> NoReturn:
    raise ValueError(name)


def depth(text: str) -> int:
    """How deep arrays and objects stand in one another, character by character."""
    level = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def keeps_the_contract(decoded: Any) -> bool:
    if not isinstance(decoded, dict) or not isinstance(decoded.get("type"), str):
        return False
    fields = COMMON | FIELDS.get(decoded["type"], {})
    return is_time(decoded.get("timestamp")) and all(fits(decoded, field, kind) for field, kind in fields.items())


def fits(decoded: dict[str, Any], field: str, kind: str) -> bool:
    given = decoded.get(field)
    if kind.endswith("?") and given is None:
        return True
    match kind.rstrip("?"):
        case "any":
            return field in decoded
        case "text":
            return isinstance(given, str)
        case "id":
            return isinstance(given, str) and is_id(given)
    return isinstance(given, Number) and is_count(given.literal)


def is_id(text: str) -> bool:
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    return 0 < len(text.encode("utf-8", "surrogatepass")) <= 255 and "\0" not in text and not surrogates


def is_count(literal: str) -> bool:
    return re.fullmatch("[0-9]{1,10}", literal) is not None and 1 <= int(literal) <= 2147483647


def is_time(given: Any) -> bool:
    if not isinstance(given, str):
        return False
    parts = re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(Z|[+-]([0-9]{2}):([0-9]{2}))",
        given,
    )
    if parts is None:
        return False
    year, month, day, hour, minute, second = (int(part) for part in parts.groups()[:6])
    offset_hours, offset_minutes = int(parts[8] or 0), int(parts[9] or 0)
    try:
        date(year, month, day)
    except ValueError:
        return False
    return hour < 24 and minute < 60 and second < 60 and offset_hours < 24 and offset_minutes < 60
