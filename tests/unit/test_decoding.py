"""Records decoded into events, or rejected."""

import itertools
from collections.abc import Callable

import pytest

from agent_runs.codec.records import Reason
from consumer.ingest.decoding import decode
from consumer.model.records import Event, Rejection
from tests.support.builders import FakeRecord, decoded, message

MAX_BYTES = 4096
TOO_MANY = b"[" + b",".join([b"1"] * 1_000_000) + b"]"

HOSTILE = [
    # key, value, reason, a part of the detail
    (None, message(), Reason.MISSING_KEY, "null or empty"),
    (b"", message(), Reason.MISSING_KEY, "null or empty"),
    (b"\xff", message(), Reason.INVALID_KEY, "not UTF-8 (byte 0)"),
    (b"a\xed\xa0\x80", message(), Reason.INVALID_KEY, "not UTF-8 (byte 1)"),
    (b"a\0b", message(), Reason.INVALID_KEY, "NUL"),
    (b"x" * 256, message(), Reason.INVALID_KEY, "256 bytes"),
    (b"r", b"x" * (MAX_BYTES + 1), Reason.TOO_LARGE, f"has {MAX_BYTES + 1} bytes"),
    (b"r", None, Reason.NOT_JSON, "the value is null"),
    (b"r", b"", Reason.NOT_JSON, "the value is empty"),
    (b"r", b"{", Reason.NOT_JSON, "Expecting"),
    (b"r", b"\xff", Reason.NOT_JSON, "invalid UTF-8 at byte 0"),
    (b"r", b"\xef\xbb\xbf{}", Reason.NOT_JSON, "BOM"),
    (b"r", b"NaN", Reason.NOT_JSON, "NaN is not JSON"),
    (b"r", b"[" * 513 + b"]" * 513, Reason.NOT_JSON, "512 deep"),
    (b"r", b"[]", Reason.INVALID_EVENT, "expected an object"),
    (b"r", b"{}", Reason.INVALID_EVENT, "`type`"),
    (b"r", message(id=""), Reason.INVALID_EVENT, "`id` is empty"),
    (b"r", message("events_dropped", count=0), Reason.INVALID_EVENT, "count"),
]


@pytest.mark.parametrize(("key", "value", "reason", "part"), HOSTILE)
def test_a_hostile_record_is_rejected_with_its_reason(
    key: bytes | None, value: bytes | None, reason: Reason, part: str
) -> None:
    record = FakeRecord(key=key, value=value)
    item = decode(record, MAX_BYTES)

    assert isinstance(item, Rejection)
    assert item.reason is reason
    assert part in item.detail
    assert item.record is record


def test_a_valid_record_becomes_an_event_with_its_bytes_unchanged() -> None:
    value = message(data="a\0\ud800")
    record = FakeRecord(key="ß".encode(), value=value)
    item = decode(record, MAX_BYTES)

    assert isinstance(item, Event)
    assert (item.run_id, item.envelope.id, item.key) == ("ß", "e1", ("ß", "e1"))
    assert item.value is value
    assert item.raw is None
    assert item.record is record


def test_a_value_of_exactly_the_maximum_size_is_an_event() -> None:
    value = message()
    value = value[:-1] + b" " * (MAX_BYTES - len(value)) + b"}"

    assert isinstance(decode(FakeRecord(value=value), MAX_BYTES), Event)


def test_more_than_a_million_values_are_too_large() -> None:
    item = decoded(message()[:-1] + b', "extra":' + TOO_MANY + b"}")

    assert isinstance(item, Rejection)
    assert item.reason is Reason.TOO_LARGE
    assert "1000000 JSON values" in item.detail


@pytest.mark.parametrize("key", [b"x" * 255, ("é" * 127 + "x").encode(), b" "])
def test_a_key_of_at_most_255_bytes_is_a_run_id(key: bytes) -> None:
    item = decoded(message(), key=key)

    assert isinstance(item, Event)
    assert item.run_id == key.decode()


@pytest.mark.parametrize("timestamp", [-62_135_596_800_000, -1, 0, 253_402_300_799_999])
def test_a_record_timestamp_of_the_years_1_to_9999_is_storable(timestamp: int) -> None:
    assert isinstance(decoded(message(), timestamp=timestamp), Event)


@pytest.mark.parametrize("timestamp", [-62_135_596_800_001, 253_402_300_800_000, 2**63 - 1, -(2**63)])
def test_a_record_timestamp_that_no_column_can_hold_is_rejected(timestamp: int) -> None:
    item = decoded(message(), timestamp=timestamp)

    assert isinstance(item, Rejection)
    assert item.reason is Reason.STORE_REJECTED
    assert str(timestamp) in item.detail


# For each reason that needs no database, what makes it apply to a record, in the order of the reasons.
FLAWS: dict[Reason, Callable[[FakeRecord], FakeRecord]] = {
    Reason.MISSING_KEY: lambda r: FakeRecord(timestamp=r.timestamp, key=None, value=r.value),
    Reason.INVALID_KEY: lambda r: FakeRecord(timestamp=r.timestamp, key=b"\xff", value=r.value),
    Reason.TOO_LARGE: lambda r: FakeRecord(timestamp=r.timestamp, key=r.key, value=(r.value or b"") + b" " * MAX_BYTES),
    Reason.NOT_JSON: lambda r: FakeRecord(timestamp=r.timestamp, key=r.key, value=(r.value or b"") + b"}"),
    Reason.INVALID_EVENT: lambda r: FakeRecord(timestamp=r.timestamp, key=r.key, value=b"[]"),
    Reason.STORE_REJECTED: lambda r: FakeRecord(timestamp=2**62, key=r.key, value=r.value),
}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FLAWS, 2)))
def test_of_two_reasons_the_first_is_given(first: Reason, second: Reason) -> None:
    # The later flaw is applied first. A key cannot be both missing and invalid: there the earlier flaw replaces it.
    record = FLAWS[first](FLAWS[second](FakeRecord(value=message())))
    item = decode(record, MAX_BYTES)

    assert isinstance(item, Rejection)
    assert item.reason is first


def test_the_reasons_are_declared_in_the_order_of_precedence() -> None:
    words = "missing_key invalid_key too_large not_json invalid_event store_rejected event_id_conflict unreadable"

    assert [reason.value for reason in Reason] == words.split()
