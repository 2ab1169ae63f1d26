"""Values rejected as `not_json`: not valid JSON in UTF-8, or nested more than 512 deep."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.corpus.sample import Sample, exactly, with_literal, wrapped

_LITERALS = r"""
    NaN Infinity -Infinity nan undefined True 01 1. .5 +1 0x1f 1e - --1 1_000 １ [1,] [1,2,] {"a":1,} {"a"} {a:1}
    "\x41" "\u12G4" "\u12" "\ud8"
"""
_SPACED_LITERALS = ('{"a" 1}', "[1 2]", "// no", "/* no */ 1", '"\t"', '"\n"', '"\0"', '"\\\n"', "\v1", "\f1")


def not_json() -> Iterator[Sample]:
    texts = {
        "tombstone": None,
        "empty value": b"",
        "white space only": b" \r\n\t",
        "a word": b"hello",
        "an open string": b'"abc',
        "an open object": b'{"type": "input"',
        "the start of an object, 100,000 times": b'{"a":1,' * 100_000,
        "100,000 open arrays": b"[" * 100_000,
        "closed arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
        "closed objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "arrays 513 deep": b"[" * 513 + b"]" * 513,
        "single quotes": b"{'type': 'input'}",
        "two events": b"{} {}",
        "a lone surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
        "an overlong encoding": b'{"a": "\xc1\x81"}',
        "a code point too high": b'{"a": "\xf4\x90\x80\x80"}',
        "the single byte 0xff": b"\xff",
        "a no-break space": b"\xc2\xa0{}",
    }
    for name, text in texts.items():
        yield Sample(name, "not_json", exactly(text))
    for literal in (*_LITERALS.split(), *_SPACED_LITERALS):
        yield Sample(f"the literal {literal!r}", "not_json", with_literal(literal))
    yield Sample("a byte order mark", "not_json", wrapped(b"\xef\xbb\xbf"))
    yield Sample("UTF-16", "not_json", lambda i: wrapped(b"")(i).decode().encode("utf-16"))
    yield Sample("UTF-16 without a mark", "not_json", lambda i: wrapped(b"")(i).decode().encode("utf-16-le"))
    yield Sample("invalid UTF-8 in a string", "not_json", wrapped(b'{"a":"\xff","b":', b"}"))
    yield Sample("a NUL behind the end", "not_json", wrapped(b"", b"\0"))
    yield Sample("a brace too many", "not_json", wrapped(b"", b"}"))
    yield Sample("cut short", "not_json", lambda i: wrapped(b"")(i)[:-1])
    yield Sample("an event nested 513 deep", "not_json", with_literal("[" * 512 + "]" * 512))
    yield Sample("an event with objects nested 513 deep", "not_json", with_literal('{"a":' * 512 + "1" + "}" * 512))
    unknown_type = with_literal("[" * 512 + "]" * 512, "note", "x")
    yield Sample("an event of an unknown type, nested 513 deep", "not_json", unknown_type)
