"""Lays out the steps of a timeline: places in per cent of the span that is shown, and lanes for steps that overlap."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from agent_runs.reader import Step

MAX_LANES: Final = 40  # of one run; further steps are drawn over others
FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SMALLEST: Final = timedelta(milliseconds=1)


class Span(NamedTuple):
    """A span of time."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is; at least a millisecond."""
        return max(self.end - self.begin, _SMALLEST)

    def percent(self, at: datetime) -> float:
        """Return where a time is in the span, from 0 to 100; outside of it, the nearer of these."""
        return min(100.0, max(0.0, (at - self.begin) / self.length * 100))

    def part(self, low: float, high: float) -> "Span":
        """Return a part of it, or what is beside it: 0 is its begin and 1 its end. It is within `FIRST` and `LAST`."""
        begin, length = self.begin - FIRST, self.length
        return Span(_time(begin + low * length), _time(begin + high * length))


class Bar(NamedTuple):
    """A step in a drawing: its place and width in per cent, and its lane from 0."""

    step: Step
    left: float
    width: float
    lane: int


def _time(after_first: timedelta) -> datetime:
    return FIRST + min(max(after_first, timedelta()), LAST - FIRST)


def lay_out(steps: Sequence[Step], span: Span) -> list[Bar]:
    """Return the bars of the steps of one run in the order in which they begin; no two of a lane overlap.

    Args:
        steps: the steps, in any order.
        span: what is shown; a step without an end reaches to the end of it.
    """
    bars = []
    free_at: list[datetime] = []  # by lane
    for step in sorted(steps, key=lambda each: (each.began_at, each.seq)):
        ended_at = step.ended_at or max(span.end, step.began_at)
        lane = next((number for number, at in enumerate(free_at) if at <= step.began_at), len(free_at))
        if lane >= MAX_LANES:
            lane = min(range(MAX_LANES), key=free_at.__getitem__)
        free_at[lane : lane + 1] = [ended_at]
        left = span.percent(step.began_at)
        bars.append(Bar(step, left, span.percent(ended_at) - left, lane))
    return bars
