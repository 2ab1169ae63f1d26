"""Messages for tests of faults: valid events, or a mix of them with repeats, conflicts and invalid records."""

from collections.abc import Iterator
from itertools import islice
from random import Random

from tests.support.messages import Message
from tests.support.workloads.runs import RunWriter, encode_variant, new_id, run_events

RUNS_AT_ONCE = 12
REMEMBERED = 40


def ordinary_events(rng: Random) -> Iterator[Message]:
    """Yield events without end, each once, of twelve runs at a time that name each other as parents."""
    return (Message(key, encode_variant(rng, event)) for key, event in _events(rng))


def mixed(rng: Random, size: int) -> list[Message]:
    """Return messages, about a third of which are not new events. Any twenty in a row contain some of each kind."""
    return list(islice(endless_mix(rng), size))


def endless_mix(rng: Random) -> Iterator[Message]:
    """Yield the messages of `mixed` without end."""
    published: list[tuple[bytes, dict[str, object]]] = []
    for key, event in _events(rng):
        published = [*published[-REMEMBERED:], (key, event)]
        value = encode_variant(rng, event)
        yield Message(key, value)
        draw = rng.random()
        if draw < 0.1:
            yield Message(key, value, label="repeat")
        elif draw < 0.2:
            yield Message(key, encode_variant(rng, event), label="repeat in another JSON text")
        elif draw < 0.3:
            yield _repeat_of(rng, *rng.choice(published))
        elif draw < 0.35:
            yield Message(key, encode_variant(rng, event | {"other": draw}), label="conflict")
        elif draw < 0.45:
            yield rng.choice((Message(None, value), Message(key, b"no JSON"), Message(key, b"{}"), Message(key, None)))


def large_events(rng: Random, size: int, event_bytes: int = 4_000) -> list[Message]:
    """Return this many large events of twelve runs."""
    run_ids = [new_id(rng).encode() for _ in range(RUNS_AT_ONCE)]
    return [Message(rng.choice(run_ids), _large(rng, event_bytes)) for _ in range(size)]


def _large(rng: Random, event_bytes: int) -> bytes:
    event = {"type": "input", "id": new_id(rng), "timestamp": "2026-01-01T00:00:00Z", "tool": "tool_result"}
    return encode_variant(rng, event | {"data": rng.randbytes(event_bytes // 2).hex()})


def _events(rng: Random) -> Iterator[tuple[bytes, dict[str, object]]]:
    while True:
        run_ids = [new_id(rng) for _ in range(RUNS_AT_ONCE)]
        runs = {run_id: run_events(RunWriter(rng, run_id, run_ids)) for run_id in run_ids}
        while runs:
            run_id = rng.choice(list(runs))
            event = next(runs[run_id], None)
            if event is None:
                del runs[run_id]
            else:
                yield run_id.encode(), event


def _repeat_of(rng: Random, key: bytes, event: dict[str, object]) -> Message:
    return Message(key, encode_variant(rng, event), label="repeat of an earlier event")
