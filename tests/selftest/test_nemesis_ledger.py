"""The ledger of the nemesis's producers finds each contradiction between their outcomes and the log."""

import pytest

from tests.checker.log import Extent, Log, Place, Record
from tests.support.ledgers.produced import Ledger, Outcome, ledger_line
from tests.support.messages import Message

FIRST, SECOND = Message(b"run", b"1"), Message(b"run", b"2")
OTHERS = "agent-"


def log(*records: tuple[Message, Place]) -> Log:
    return Log("t", {0: Extent(0, 9)}, [Record(place, 0, message.key, message.value) for message, place in records])


def ledger(*entries: tuple[Outcome, Message, Place | None]) -> Ledger:
    read = Ledger()
    read.read(ledger_line(*entry) for entry in entries)
    return read


def test_acknowledged_messages_are_in_the_log_and_unknown_ones_may_be() -> None:
    outcomes = ledger((Outcome.ACKED, FIRST, Place(0, 4)), (Outcome.UNKNOWN, SECOND, None))

    assert outcomes.differences(log((FIRST, Place(0, 4))), OTHERS) == []
    assert outcomes.differences(log((FIRST, Place(0, 4)), (SECOND, Place(0, 5))), OTHERS) == []
    assert outcomes.differences(log((FIRST, Place(0, 4)), (Message(b"agent-7", b""), Place(0, 5))), OTHERS) == []


@pytest.mark.parametrize(
    ("entries", "records", "problem"),
    [
        ([(Outcome.ACKED, FIRST, Place(0, 4))], [], "not in the log at that place"),
        ([(Outcome.ACKED, FIRST, Place(0, 4))], [(FIRST, Place(0, 5))], "not in the log at that place"),
        ([(Outcome.ABORTED, FIRST, None)], [(FIRST, Place(0, 4))], "in an aborted transaction"),
        ([(Outcome.FAILED, FIRST, None)], [(FIRST, Place(0, 4))], "refused, but in the log"),
        ([], [(FIRST, Place(0, 4))], "neither acknowledged nor of unknown outcome"),
        ([(Outcome.ACKED, FIRST, Place(0, 4))] * 2, [(FIRST, Place(0, 4))], "acknowledged twice at one place"),
    ],
)
def test_a_log_that_contradicts_an_outcome_is_reported(
    entries: list[tuple[Outcome, Message, Place | None]], records: list[tuple[Message, Place]], problem: str
) -> None:
    assert any(problem in difference for difference in ledger(*entries).differences(log(*records), OTHERS))
