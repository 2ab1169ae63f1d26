"""Keys that cannot name a run, and unusual keys that can."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.support.corpus.sample import STORED, Sample, exactly, with_fields


def keys() -> Iterator[Sample]:
    keys: dict[str, tuple[str | None, Callable[[bytes], bytes | None]]] = {
        "no key": ("missing_key", lambda run_id: None),
        "empty key": ("missing_key", lambda run_id: b""),
        "key of Latin-1": ("invalid_key", lambda run_id: run_id + "é".encode("latin-1")),
        "key with an encoded surrogate": ("invalid_key", lambda run_id: run_id + b"\xed\xa0\x80"),
        "key with an overlong slash": ("invalid_key", lambda run_id: run_id + b"\xc0\xaf"),
        "key with a NUL": ("invalid_key", lambda run_id: run_id + b"\0"),
        "key that is a NUL": ("invalid_key", lambda run_id: b"\0"),
        "key of 256 bytes": ("invalid_key", lambda run_id: run_id.ljust(256, b"k")),
        "key of 128 characters in 256 bytes": ("invalid_key", lambda run_id: "é".encode() * 128),
        "key of 255 bytes": (STORED, lambda run_id: run_id.ljust(255, b"k")),
        "key of wide characters in 255 bytes": (STORED, lambda run_id: "é".encode() * 127 + b"!"),
        "key of white space and quotes": (STORED, lambda run_id: run_id + b" \t\r\n'\"\\"),
        "key with a byte order mark": (STORED, lambda run_id: b"\xef\xbb\xbf" + run_id),
        "key of other planes": (STORED, lambda run_id: run_id + "🤖\U0010ffff".encode()),
    }
    for name, (reason, key) in keys.items():
        yield Sample(name, reason, with_fields(), key)
    yield Sample("no key and no value", "missing_key", exactly(None), lambda run_id: None)
    yield Sample("bad key and bad value", "invalid_key", exactly(b"{"), lambda run_id: b"\xff")
