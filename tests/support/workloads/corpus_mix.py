"""10,000 messages: ordinary runs with repeats and conflicts, and the corpus between them.

Every message gets a moment on one time axis, and all are sorted by it. That interleaves the runs, keeps the order
within each run, and puts a repeat next to its event or thousands of records behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from tests.support.corpus import Sample, corpus, duplicate_cases
from tests.support.messages import Message
from tests.support.workloads.runs import RunWriter, encode_variant, new_id, run_events

RELATIVES = 40  # runs that are published together and name each other as parents


@dataclass(frozen=True)
class Timed:
    moment: float
    message: Message


def workload(seed: int, size: int = 10_000, hostile_share: float = 0.03) -> list[Message]:
    """Messages in the order of publishing, with every sample and every duplicate case among them."""
    rng = Random(seed)
    rejected = [sample for sample in corpus() if sample.reason is not None]
    stored = [sample for sample in corpus() if sample.reason is None]
    hostile = round(size * hostile_share)
    if hostile < len(rejected):
        raise ValueError(f"{hostile} hostile records are too few for all {len(rejected)} samples that are rejected")
    rejected += rng.choices(rejected, k=hostile - len(rejected))
    run_ids = [new_id(rng) for _ in range(RELATIVES)]
    fixed = [*_placed(rng, [*rejected, *stored], run_ids), *_duplicated(rng)]
    ordinary = list(islice(_ordinary(rng, run_ids), size - len(fixed)))
    return [timed.message for timed in sorted([*fixed, *ordinary], key=lambda timed: timed.moment)]


def _placed(rng: Random, samples: Sequence[Sample], run_ids: Sequence[str]) -> Iterator[Timed]:
    """The samples at random moments, within ordinary runs, so that they have neighbours."""
    for sample in samples:
        run_id = rng.choice(run_ids).encode()
        yield Timed(rng.random(), sample.message(run_id, new_id(rng)))


def _duplicated(rng: Random) -> Iterator[Timed]:
    """Every duplicate case twice: with its records next to each other, and far apart."""
    for case in duplicate_cases():
        near = rng.random()
        messages = case.messages(new_id(rng).encode(), new_id(rng))
        yield from (Timed(near, message) for message in messages)
        messages = case.messages(new_id(rng).encode(), new_id(rng))
        moments = sorted(rng.random() for _ in messages)
        yield from (Timed(moment, message) for moment, message in zip(moments, messages, strict=True))


def _ordinary(rng: Random, run_ids: list[str]) -> Iterator[Timed]:
    """Runs without end."""
    while True:
        for run_id in rng.sample(run_ids, len(run_ids)):
            yield from _run(rng, run_id, run_ids)
        run_ids = [new_id(rng) for _ in range(RELATIVES)]


def _run(rng: Random, run_id: str, relatives: list[str]) -> Iterator[Timed]:
    moment, length = rng.random() * 0.9, rng.choice((1e-6, 0.001, 0.1))
    for event in run_events(RunWriter(rng, run_id, relatives)):
        moment += rng.random() * length
        value = encode_variant(rng, event)
        yield Timed(moment, Message(run_id.encode(), value, headers=[("traceparent", b"00")], label="ordinary"))
        yield from _duplicate_of(rng, run_id, moment, event, value, relatives)


def _duplicate_of(
    rng: Random, run_id: str, moment: float, event: dict[str, object], value: bytes, relatives: list[str]
) -> Iterator[Timed]:
    """Sometimes a repeat of the event, a conflict with it, or its id in another run."""
    later = moment + rng.random() * rng.choice((1e-9, 0.001, 0.5))
    draw = rng.random()
    if draw < 0.03:
        yield Timed(later, Message(run_id.encode(), value, label="repeat"))
    elif draw < 0.045:
        yield Timed(later, Message(run_id.encode(), encode_variant(rng, event), label="repeat in another JSON text"))
    elif draw < 0.055:
        yield Timed(
            later, Message(run_id.encode(), encode_variant(rng, event | {"extra": rng.random()}), label="conflict")
        )
    elif draw < 0.06:
        yield Timed(later, Message(rng.choice(relatives).encode(), value, label="of another run"))
