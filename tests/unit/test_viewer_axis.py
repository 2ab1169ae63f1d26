"""The ticks of the axis of a timeline."""

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.support.stored_runs import START
from viewer.axis import parts_of
from viewer.bars import Span


def span(begin_s: float, end_s: float) -> Span:
    return Span(START + timedelta(seconds=begin_s), START + timedelta(seconds=end_s))


@pytest.mark.parametrize(
    ("begin_s", "end_s", "labels"),
    [
        (0, 21, ["+0s", "+5s", "+10s", "+15s", "+20s"]),
        (0, 0.004, ["+0.000s", "+0.001s", "+0.002s", "+0.003s"]),
        (200.15, 201, ["", "+200.2s", "+200.4s", "+200.6s", "+200.8s"]),
        (3590, 3720, ["", "+1h", "+1h 30s", "+1h 1m", "+1h 1m 30s"]),
        (0, 86_400 * 3, ["+0s", "+12h", "+1d", "+1d 12h", "+2d", "+2d 12h"]),
    ],
)
def test_ticks_are_at_round_times_with_labels_that_differ(begin_s: float, end_s: float, labels: list[str]) -> None:
    assert [part.label for part in parts_of(span(begin_s, end_s), span(0, 86_400 * 3))] == labels


@pytest.mark.parametrize("length_s", [0.002, 0.0101, 1, 59, 3601, 86_400 * 400, 86_400 * 365 * 7000])
def test_the_parts_cover_the_span_and_are_few(length_s: float) -> None:
    parts = parts_of(span(0.0004, length_s), span(0, length_s))
    assert sum(part.width for part in parts) == pytest.approx(100)
    assert 1 <= len(parts) <= 10
    assert all(one.span.end == other.span.begin for one, other in pairwise(parts))
