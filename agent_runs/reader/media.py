"""Recognizes pictures and other media in JSON, and says what they are instead of showing their base64.

They are not shown as pictures: the browser would decode what the producer of a run chooses. The JSON of the call has
them.
"""

import re
from typing import Any, Final

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?[^,]{0,100};base64,")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+(?:\r?\n[A-Za-z0-9+/_-]+)*={0,2}\s*")
_MIN_BASE64: Final = 1024  # characters: a shorter text without spaces may be something else
_TYPES: Final = ("media_type", "mimeType", "mime_type", "format")  # of Anthropic, of Gemini, of audio of OpenAI


def media_text(text: str, media_type: object = None) -> str | None:
    """Return what a text is if it is a data URL or base64, such as `image/png, 12.3 kB`; None if it is neither.

    Args:
        text: the text.
        media_type: the type that is written beside it.
    """
    url = _DATA_URL.match(text)
    if url is not None:
        return _described(url[1] or "data", len(text) - url.end())
    if len(text) >= _MIN_BASE64 and _BASE64.fullmatch(text):
        return _described(media_type if isinstance(media_type, str) else "base64", len(text))
    return None


def type_of(fields: dict[str, Any]) -> object:
    """Return the type of media that the fields of an object name; None if they name none."""
    return next((fields[name] for name in _TYPES if name in fields), None)


def without_media(value: Any) -> Any:
    """Return a value of JSON with the description of media in place of each data URL and base64."""
    if isinstance(value, list):
        return [without_media(item) for item in value]
    if isinstance(value, dict):
        return {name: _item_without_media(item, type_of(value)) for name, item in value.items()}
    return _item_without_media(value, None) if isinstance(value, str) else value


def _item_without_media(value: Any, media_type: object) -> Any:
    if not isinstance(value, str):
        return without_media(value)
    found = media_text(value, media_type)
    return value if found is None else f"({found})"


def _described(media_type: str, length: int) -> str:
    size = length * 3 // 4
    text = f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
    return f"{media_type[:100]}, {text}"
