"""The time axis of a timeline: ticks at round times since the begin of the run, and the parts between them."""

from datetime import timedelta
from itertools import count, takewhile
from math import ceil
from typing import Final, NamedTuple

from viewer.bars import Span

_MOST: Final = 8  # ticks
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
# Seconds between two ticks; above them, twice as many until there are few enough.
_STEPS: Final = (
    *(round(digit * 10.0**-power, 3) for power in (3, 2, 1) for digit in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12, 24)),
)


class Part(NamedTuple):
    """What is between two ticks: its span, its place and width in per cent, and the label of its first tick."""

    span: Span
    left: float
    width: float
    label: str


def parts_of(span: Span, whole: Span) -> list[Part]:
    """Return the parts of an axis; the first one has no label if the span does not begin at a tick.

    Args:
        span: what is shown.
        whole: the run; the ticks count from its begin.
    """
    step_s = _step(span.length.total_seconds())
    step = timedelta(seconds=step_s)
    first, end = ceil((span.begin - whole.begin) / step), span.end - whole.begin
    numbers = takewhile(lambda number: number * step < end, count(first))
    ticks = [(whole.begin + number * step, _label(number * step_s, step_s)) for number in numbers]
    if not ticks or ticks[0][0] > span.begin:
        ticks.insert(0, (span.begin, ""))
    parts = []
    for number, (begin, label) in enumerate(ticks):
        part = Span(begin, ticks[number + 1][0] if number + 1 < len(ticks) else span.end)
        left = span.percent(part.begin)
        parts.append(Part(part, left, span.percent(part.end) - left, label))
    return parts


def _step(length_s: float) -> float:
    for step in _STEPS:
        if length_s / step <= _MOST:
            return step
    step = _STEPS[-1]
    while length_s / step > _MOST:
        step *= 2
    return step


def _label(seconds: float, step_s: float) -> str:
    """The time since the begin of the run, such as `+1h 30m`, as exact as the step."""
    if step_s < 1:
        decimals = 1 if step_s >= 0.1 else 2 if step_s >= 0.01 else 3
        return f"+{seconds:.{decimals}f}s"
    rest, words = round(seconds), []
    for name, size in _UNITS:
        if rest >= size:
            words.append(f"{rest // size}{name}")
            rest %= size
    return f"+{' '.join(words) or '0s'}"
