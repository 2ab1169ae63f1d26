"""10,000 records to publish: ordinary runs, their repeats and conflicts, and the poison corpus in between.

Every message gets a moment on one time axis, and all are sorted by it: that interleaves the runs, keeps the order
within each, and puts a repeat next to its first or thousands of records behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from tests.support.corpus import Message, Specimen, corpus, scripts
from tests.support.workloads.stories import Author, new_id, spell, story

RELATIVES = 40  # runs that are told together, and name each other as parents


@dataclass(frozen=True)
class Timed:
    moment: float
    message: Message


def workload(seed: int, size: int = 10_000, hostile_share: float = 0.03) -> list[Message]:
    """So many messages in the order of publishing; every specimen and every script is among them."""
    rng = Random(seed)
    refused = [specimen for specimen in corpus() if specimen.reason is not None]
    welcome = [specimen for specimen in corpus() if specimen.reason is None]
    hostile = round(size * hostile_share)
    if hostile < len(refused):
        raise ValueError(f"{hostile} hostile records cannot show all {len(refused)} ways of being refused")
    refused += rng.choices(refused, k=hostile - len(refused))
    run_ids = [new_id(rng) for _ in range(RELATIVES)]
    fixed = [*_placed(rng, [*refused, *welcome], run_ids), *_scripted(rng)]
    ordinary = list(islice(_ordinary(rng, run_ids), size - len(fixed)))
    return [timed.message for timed in sorted([*fixed, *ordinary], key=lambda timed: timed.moment)]


def _placed(rng: Random, specimens: Sequence[Specimen], run_ids: Sequence[str]) -> Iterator[Timed]:
    """Specimens anywhere, a few in each of some ordinary runs, so that they have neighbours to harm."""
    for specimen in specimens:
        run_id = rng.choice(run_ids).encode()
        yield Timed(rng.random(), specimen.message(run_id, new_id(rng)))


def _scripted(rng: Random) -> Iterator[Timed]:
    """Every script twice: its records side by side, and far apart."""
    for script in scripts():
        near = rng.random()
        messages = script.messages(new_id(rng).encode(), new_id(rng))
        yield from (Timed(near, message) for message in messages)
        messages = script.messages(new_id(rng).encode(), new_id(rng))
        moments = sorted(rng.random() for _ in messages)
        yield from (Timed(moment, message) for moment, message in zip(moments, messages, strict=True))


def _ordinary(rng: Random, run_ids: list[str]) -> Iterator[Timed]:
    """Runs without end. Whoever stops taking cuts a run short, which happens in life too."""
    while True:
        for run_id in rng.sample(run_ids, len(run_ids)):
            yield from _run(rng, run_id, run_ids)
        run_ids = [new_id(rng) for _ in range(RELATIVES)]


def _run(rng: Random, run_id: str, relatives: list[str]) -> Iterator[Timed]:
    moment, length = rng.random() * 0.9, rng.choice((1e-6, 0.001, 0.1))
    for event in story(Author(rng, run_id, relatives)):
        moment += rng.random() * length
        value = spell(rng, event)
        yield Timed(moment, Message(run_id.encode(), value, [("traceparent", b"00")], "ordinary"))
        yield from _echo(rng, run_id, moment, event, value, relatives)


def _echo(
    rng: Random, run_id: str, moment: float, event: dict[str, object], value: bytes, relatives: list[str]
) -> Iterator[Timed]:
    """What sometimes follows an event: itself again, something else under its id, its id in another run."""
    later = moment + rng.random() * rng.choice((1e-9, 0.001, 0.5))
    draw = rng.random()
    if draw < 0.03:
        yield Timed(later, Message(run_id.encode(), value, label="repeated"))
    elif draw < 0.045:
        yield Timed(later, Message(run_id.encode(), spell(rng, event), label="respelled"))
    elif draw < 0.055:
        yield Timed(later, Message(run_id.encode(), spell(rng, event | {"extra": rng.random()}), label="conflicting"))
    elif draw < 0.06:
        yield Timed(later, Message(rng.choice(relatives).encode(), value, label="of another run"))
