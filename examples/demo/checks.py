"""What must be true at the end, by the publisher's own memory: the service's `verify` may be wrong too."""

from collections.abc import Sequence

from examples.demo.books import Books, DeadLetter, Numbering
from examples.demo.errors import DemoFailed
from examples.demo.hostile import rejections
from examples.demo.show import Outcome


async def check(outcome: Outcome, books: Books) -> None:
    """Compare the tables with what the publisher remembers.

    Raises:
        DemoFailed: the promise was not kept.
    """
    _every_record_has_its_place(outcome)
    _each_run_is_in_order(outcome, await books.numbering())
    _each_rejection_has_its_reason(await books.dead_letters())


def _every_record_has_its_place(outcome: Outcome) -> None:
    numbers = outcome.numbers
    if numbers.accounted != outcome.published:
        raise DemoFailed(f"{outcome.published} records were published, {numbers.accounted} are accounted for")
    if numbers.event_count != numbers.stored:
        raise DemoFailed(f"the runs say that they have {numbers.event_count} events, {numbers.stored} are stored")


def _each_run_is_in_order(outcome: Outcome, numberings: Sequence[Numbering]) -> None:
    stored = {numbering.run_id: numbering for numbering in numberings}
    for run_id, event_ids in outcome.told.items():
        if run_id not in stored:
            raise DemoFailed(f"run {run_id} is missing")
        if stored[run_id].event_ids != event_ids:
            raise DemoFailed(f"run {run_id} has other events, or another order, than its agent has published")
        if stored[run_id].numbers != list(range(len(event_ids))):
            raise DemoFailed(f"run {run_id} has gaps in its numbers: {stored[run_id].numbers}")


def _each_rejection_has_its_reason(letters: Sequence[DeadLetter]) -> None:
    expected, found = sorted(rejections()), sorted(letter.reason for letter in letters)
    if found != expected:
        raise DemoFailed(f"expected the dead letters {expected}, found {found}")
