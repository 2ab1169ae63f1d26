"""Writes times and durations as short text for people, and reads those that people write."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")


def time_text(at: datetime) -> str:
    """Return a time in UTC, such as `2026-01-31 23:59:59Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}".zfill(20)  # strftime does not pad the year on every system


def duration_text(duration: timedelta) -> str:
    """Return a duration in one or two units, such as `40ms`, `4.2s`, `12s`, `3m 5s` or `2d 4h`."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    units = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    rest = round(seconds)
    for name, size in units:
        if rest >= size or parts:
            parts.append(f"{rest // size}{name}")
            rest %= size
    return " ".join(part for part in parts[:2] if not part.startswith("0"))


def parse_duration(text: str) -> timedelta:
    """Return a duration such as `90s`, `15m`, `1h` or `2d`.

    Raises:
        ValueError: it is none; the message is the end of a sentence.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration like 90s, 15m, 1h or 2d")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def parse_time(text: str) -> datetime:
    """Return a time that is written as ISO 8601, in UTC if it has no offset; or as a duration, so long ago.

    Raises:
        ValueError: it is none; the message is the end of a sentence.
    """
    try:
        if _DURATION.fullmatch(text):
            return datetime.now(UTC) - parse_duration(text)
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the second: in UTC it is not in the years 1 to 9999
        raise ValueError(f"{text!r} is not a time like 2026-01-31T23:59:59Z, or like 1h for an hour ago") from None
