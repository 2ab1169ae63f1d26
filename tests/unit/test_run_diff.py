"""Two runs side by side: which events belong together."""

from collections.abc import Sequence
from datetime import UTC, datetime

from agent_runs.reader import StoredEvent, compare_runs, event_of_message
from tests.support.messages import event

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def run(*messages: bytes) -> list[StoredEvent]:
    return [
        StoredEvent(seq=seq, created_at=AT, partition=0, offset=seq, event=event_of_message(message))
        for seq, message in enumerate(messages)
    ]


def said(*texts: str) -> list[StoredEvent]:
    return run(*(event(f"e{number}", data=text) for number, text in enumerate(texts)))


def sides(before: Sequence[StoredEvent], after: Sequence[StoredEvent]) -> list[tuple[int | None, int | None, bool]]:
    """The numbers of the events of each pair, and whether they are equal."""
    return [
        (
            None if pair.before is None else pair.before.seq,
            None if pair.after is None else pair.after.seq,
            pair.is_equal,
        )
        for pair in compare_runs(before, after)
    ]


def test_events_that_ask_the_same_belong_together_and_those_between_them_by_their_kind() -> None:
    assert sides(said("a", "b", "c"), said("a", "x", "c", "d")) == [
        (0, 0, True),
        (1, 1, False),
        (2, 2, True),
        (None, 3, False),
    ]
    assert sides(said("a", "b", "c"), said("b", "c")) == [(0, None, False), (1, 0, True), (2, 1, True)]
    assert sides(said(), said("a")) == [(None, 0, False)]
    assert sides(said("a", "a"), said("a", "a")) == [(0, 0, True), (1, 1, True)]


def test_runs_with_thousands_of_equal_events_are_compared() -> None:
    # Given a run that does the same thousands of times, and another one that does it without the first and last event,
    before = said("first", *["again"] * 1000, "middle", *["again"] * 1000, "last")
    after = said(*["again"] * 1000, "middle", *["again"] * 1000)
    # then only these two have no counterpart.
    found = sides(before, after)
    assert [pair for pair in found if not pair[2]] == [(0, None, False), (2002, None, False)]
    assert [(old, new) for old, new, _ in found[1:-1]] == [(number + 1, number) for number in range(2001)]
