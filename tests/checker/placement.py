"""Every record in exactly one place, and in the right one: S1, S2, S3, S14 and J1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.checker.case import Case, at, of_run
from tests.checker.violations import Rule, Violation


def completeness(case: Case) -> Iterator[Violation]:
    for place in (*case.expected.events, *case.expected.letters):
        if place not in case.events and place not in case.letters:
            yield at(Rule.COMPLETENESS, place, f"is nowhere; it should be {case.expected.disposition(place)}")


def unconsumed(case: Case) -> Iterator[Violation]:
    """Asked only where the whole log is said to have been consumed."""
    for record in case.log.records:
        if not case.is_passed(record.place):
            yield at(Rule.COMPLETENESS, record.place, "has not been consumed")


def invention(case: Case) -> Iterator[Violation]:
    for place in sorted({*case.events, *case.letters} - case.log.places):
        yield at(Rule.INVENTION, place, "has a row, but no record that a reader can see")
    for run_id in sorted(case.runs.keys() - case.expected.run_rows.keys()):
        yield of_run(Rule.INVENTION, run_id, "no event is of it or names it as a parent")
    for partition in sorted({row.partition for row in case.tables.offsets} - case.log.extents.keys()):
        yield Violation(Rule.INVENTION, f"partition {partition}", "has an offset, but the topic has no such partition")
    topics = {row.topic for row in case.tables.letters} | {row.topic for row in case.tables.offsets}
    for topic in sorted(topics - {case.log.topic}):
        yield Violation(Rule.INVENTION, f"topic {topic!r}", f"has rows, but the log is {case.log.topic!r}")


def uniqueness(case: Case) -> Iterator[Violation]:
    rows = Counter({place: len(found) for place, found in case.events.items()})
    rows.update({place: len(found) for place, found in case.letters.items()})
    for place, count in rows.items():
        if count > 1:
            yield at(Rule.UNIQUENESS, place, f"is in {count} places")
    for place in sorted(case.expected.repeats & case.events.keys()):
        yield at(Rule.UNIQUENESS, place, "is a repeat, and stored as an event of its own")
    for (run_id, event_id), count in Counter((row.run_id, row.id) for row in case.tables.events).items():
        if count > 1:
            yield of_run(Rule.UNIQUENESS, run_id, f"has {count} events of id {event_id!r}")


def purity(case: Case) -> Iterator[Violation]:
    # A record that is an event as well is reported once, as being in two places.
    for place in sorted((case.letters.keys() - case.events.keys()) & case.expected.places()):
        should = case.expected.disposition(place)
        for row in case.letters[place]:
            if should != f"a dead letter: {row.reason}":
                yield at(Rule.PURITY, place, f"is a dead letter: {row.reason}; it should be {should}")


def judgement(case: Case) -> Iterator[Violation]:
    for place in sorted((case.events.keys() - case.letters.keys()) & case.expected.letters.keys()):
        yield at(Rule.JUDGEMENT, place, f"is an event; it should be {case.expected.disposition(place)}")
