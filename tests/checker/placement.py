"""Every record in exactly one place, and in the right one: S1, S2, S3, S14 and J1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.checker.log import Place
from tests.checker.step import Case, at, of_partition, of_run
from tests.checker.violations import Rule, Violation


def completeness(case: Case) -> Iterator[Violation]:
    for place in sorted({*case.step.events, *case.step.letters}):
        if place not in case.events and place not in case.letters:
            yield at(Rule.COMPLETENESS, place, f"is nowhere; it should be {case.disposition(place)}")
    for place, why in case.step.unsettled.items():
        if place not in case.events:
            yield at(Rule.COMPLETENESS, place, f"is a letter that is said to be resolved, but {why}")


def unconsumed(case: Case) -> Iterator[Violation]:
    """Asked only where the whole log is said to have been consumed."""
    for record in case.log.records:
        if not case.is_passed(record.place):
            yield at(Rule.COMPLETENESS, record.place, "has not been consumed")


def invention(case: Case) -> Iterator[Violation]:
    for place in sorted({*case.events, *case.letters}):
        if not case.log.holds(place):
            yield at(Rule.INVENTION, place, "has a row, but no record that a reader can see")
    for run_id in sorted(case.runs):
        if case.model.row(run_id) is None:
            yield of_run(Rule.INVENTION, run_id, "no event is of it or names it as a parent")
    for partition in sorted({row.partition for row in case.tables.offsets} - case.log.extents.keys()):
        yield of_partition(Rule.INVENTION, partition, "has an offset, but the topic has no such partition")
    topics = {row.topic for row in case.tables.letters} | {row.topic for row in case.tables.offsets}
    for topic in sorted(topics - {case.log.topic}):
        yield Violation(Rule.INVENTION, f"topic {topic!r}", f"has rows, but the log is {case.log.topic!r}")


def uniqueness(case: Case) -> Iterator[Violation]:
    rows = Counter({place: len(found) for place, found in case.events.items()})
    rows.update({place: len(found) for place, found in case.letters.items()})
    resolved = {place for place, found in case.letters.items() if any(row.state == "resolved" for row in found)}
    rows.subtract(resolved & case.events.keys())  # an event and the letter that it was are one place
    for place, count in rows.items():
        if count > 1:
            yield at(Rule.UNIQUENESS, place, f"is in {count} places")
    for place in sorted(case.step.repeats & case.events.keys()):
        yield at(Rule.UNIQUENESS, place, "is a repeat, and stored as an event of its own")
    for (run_id, event_id), count in Counter((row.run_id, row.id) for row in case.tables.events).items():
        if count > 1:
            yield of_run(Rule.UNIQUENESS, run_id, f"has {count} events of id {event_id!r}")


def purity(case: Case) -> Iterator[Violation]:
    # A record that is an event as well is reported once, as being in two places.
    for place in sorted(case.letters.keys() - case.events.keys()):
        for row in case.letters[place]:
            if row.state == "resolved" or not _is_judged(case, place):
                continue  # what it was refused for under former rules is history; above the offset nothing is judged
            if place not in case.model.letters or row.reason not in case.model.reasons(place, retried=row.retries > 0):
                message = f"is a dead letter: {row.reason}; it should be {case.disposition(place)}"
                yield at(Rule.PURITY, place, message)


def _is_judged(case: Case, place: Place) -> bool:
    return case.is_passed(place) and case.log.holds(place)


def judgement(case: Case) -> Iterator[Violation]:
    refused = case.step.letters.keys() - case.letters.keys()
    for place in sorted(case.events.keys() & (refused | case.step.unsettled.keys())):
        yield at(Rule.JUDGEMENT, place, f"is an event; it should be {case.disposition(place)}")
