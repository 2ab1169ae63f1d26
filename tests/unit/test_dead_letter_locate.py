"""The byte of a refused record at which the error is."""

import pytest

from agent_runs.codec.records import Reason
from consumer.dead_letters.locate import locate
from consumer.ingest.decoding import decode
from consumer.model.records import Rejection
from tests.support.builders import FakeRecord, message

MAX_BYTES = 1_000_000


def place_in(value: bytes | None, key: bytes = b"run") -> tuple[str, int, bytes] | None:
    """The place of the error in a record that `decode` refuses."""
    record = FakeRecord(key=key, value=value)
    rejection = decode(record, MAX_BYTES)
    assert isinstance(rejection, Rejection)
    place = locate(record, rejection.reason, rejection.detail)
    return None if place is None else (place.part, place.byte, place.after)


@pytest.mark.parametrize(
    ("value", "byte", "start"),
    [
        (b'{"a": tru}', 6, b"tru"),
        ('{"é": tru}'.encode(), 7, b"tru"),  # bytes, not characters
        (b'{"a": "NaN", "b": NaN}', 18, b"NaN"),
        (b'{"a": -Infinity}', 6, b"-Inf"),
        (b'{"a": "\xff"}', 7, b"\xff"),
        (b"\xef\xbb\xbf{}", 0, b"\xef\xbb\xbf"),
        (b'["]"' + b"," + b"[" * 600, 516, b"[["),
        (b"{} x", 3, b"x"),
        (b"{", 1, b""),
        (b"[1]", 0, b"[1]"),
        (b' {"type": 1}', 10, b"1}"),
        (message().replace(b'"id"', b'"no"'), 0, b"{"),
        (message(tool="x", reason=1).replace(b'"x"', b"7"), message(tool="x", reason=1).index(b'"x"'), b"7"),
        (message(data={"id": 1}, id=""), message(data={"id": 1}, id="").rindex(b'""'), b'""'),
        (message(timestamp="now"), message(timestamp="now").index(b'"now"'), b'"now"'),
    ],
)
def test_the_place_is_the_byte_of_the_error(value: bytes, byte: int, start: bytes) -> None:
    found = place_in(value)

    assert found is not None
    assert found[:2] == ("value", byte)
    assert found[2].startswith(start)


@pytest.mark.parametrize(("key", "byte"), [(b"a\xffb", 1), (b"ab\0", 2), (b"r" * 300, 255)])
def test_the_place_in_a_key_is_its_first_invalid_byte(key: bytes, byte: int) -> None:
    assert place_in(message(), key) == ("key", byte, key[byte : byte + 40])


@pytest.mark.parametrize("literal", [b"1e131072", b"1e-16384", b"1e99999999999999999999"])
def test_a_number_that_postgresql_cannot_store_is_found_among_others(literal: bytes) -> None:
    value = b'{"a": 12, "b": "1e131072", "c": [1.5e3, ' + literal + b"]}"

    place = locate(FakeRecord(value=value), Reason.STORE_REJECTED, "value overflows numeric format")

    assert place is not None
    assert place.byte == value.rindex(literal)


def test_the_place_of_a_conflict_is_the_id() -> None:
    value = message(id="taken")

    place = locate(FakeRecord(value=value), Reason.EVENT_ID_CONFLICT, "run 'run' has another event with the id 'taken'")

    assert place is not None
    assert place.after.startswith(b'"taken"')


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, Reason.NOT_JSON), (b"", Reason.NOT_JSON), (b"[]", Reason.TOO_LARGE), (b"{}", Reason.MISSING_KEY)],
)
def test_an_error_of_the_whole_record_has_no_place(value: bytes | None, reason: Reason) -> None:
    assert locate(FakeRecord(value=value), reason, "") is None


def test_a_place_has_40_bytes_before_and_after_it() -> None:
    place = locate(FakeRecord(value=b'["' + b"x" * 1000 + b'", tru, ' + b"y" * 1000), Reason.NOT_JSON, "")

    assert place is not None
    assert place.before == b"x" * 37 + b'", '
    assert len(place.after) == 40
