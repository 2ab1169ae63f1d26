"""Where the bars of a timeline are."""

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from random import Random

from agent_runs.reader import Step
from tests.support.stored_runs import START
from viewer.bars import FIRST, LAST, MAX_LANES, Span, lay_out


def step(seq: int, began: float, ended: float | None) -> Step:
    return Step(
        run_id="run",
        began_seq=seq,
        seq=seq,
        type="tool_succeeded",
        began_at=START + timedelta(seconds=began),
        ended_at=None if ended is None else START + timedelta(seconds=ended),
        name=None,
    )


SPAN = Span(START, START + timedelta(seconds=100))


def test_a_bar_is_where_its_step_is_in_the_span_and_a_step_without_an_end_reaches_to_the_end() -> None:
    bars = lay_out([step(1, 20, 50), step(0, -10, 10), step(2, 90, None)], SPAN)

    assert [bar.step.seq for bar in bars] == [0, 1, 2]
    assert [(bar.left, bar.width, bar.lane) for bar in bars] == [(0, 10, 0), (20, 30, 0), (90, 10, 0)]


def test_steps_that_overlap_are_in_different_lanes() -> None:
    random = Random(1)
    steps = [step(seq, began := random.uniform(0, 90), began + random.uniform(0, 10)) for seq in range(200)]
    lanes = defaultdict(list)
    for bar in lay_out(steps, SPAN):
        lanes[bar.lane].append(bar.step)

    assert 1 < len(lanes) < MAX_LANES
    for found in lanes.values():
        for one, other in pairwise(found):
            assert one.ended_at is not None
            assert one.ended_at <= other.began_at


def test_there_is_a_limit_of_lanes() -> None:
    assert max(bar.lane for bar in lay_out([step(seq, 0, 50) for seq in range(100)], SPAN)) == MAX_LANES - 1


def test_an_empty_span_is_not_divided_by_zero() -> None:
    assert lay_out([step(0, 0, 0)], Span(START, START))[0].left == 0


def test_the_span_beside_the_longest_one_is_within_the_calendar() -> None:
    whole = Span(FIRST, LAST)

    assert [whole.part(-0.5, 1.5), whole.part(0.5, 1.5).end, whole.part(-0.5, 0.5).begin] == [whole, LAST, FIRST]
    assert SPAN.part(0.25, 0.75) == Span(START + timedelta(seconds=25), START + timedelta(seconds=75))
