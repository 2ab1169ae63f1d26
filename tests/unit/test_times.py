"""Times and durations as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_runs.times import parse_time, time_text


def test_the_year_of_a_time_has_four_digits() -> None:
    assert time_text(datetime(1, 2, 3, tzinfo=UTC)) == "0001-02-03 00:00:00Z"
    assert time_text(datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2026-02-03 04:05:06Z"


def test_a_duration_is_a_time_so_long_ago() -> None:
    before = datetime.now(UTC)
    assert before - timedelta(hours=1) <= parse_time("1h") <= datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("text", ["99999999999999d", "3000000d", "1 hour", "h", ""])
def test_what_is_neither_a_time_nor_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time like"):
        parse_time(text)
