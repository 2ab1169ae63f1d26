"""What is published while things break: ordinary runs; on request also repeats, conflicts and what is refused."""

from collections.abc import Iterator
from itertools import islice
from random import Random

from tests.support.corpus import Message
from tests.support.workloads.stories import Author, new_id, spell, story

RUNS_AT_ONCE = 12
REMEMBERED = 40


def ordinary(rng: Random) -> Iterator[Message]:
    """Events without end, each said once, of a dozen runs at a time that name each other as parents."""
    return (Message(key, spell(rng, event)) for key, event in _events(rng))


def troubled(rng: Random, size: int) -> list[Message]:
    """So many records, of which about every third is no new event. Any twenty in a row have some of each kind."""
    return list(islice(without_end(rng), size))


def bulky(rng: Random, size: int, event_bytes: int = 4_000) -> list[Message]:
    """So many large events, of a dozen runs."""
    run_ids = [new_id(rng).encode() for _ in range(RUNS_AT_ONCE)]
    return [Message(rng.choice(run_ids), _bulk(rng, event_bytes)) for _ in range(size)]


def _bulk(rng: Random, event_bytes: int) -> bytes:
    event = {"type": "input", "id": new_id(rng), "timestamp": "2026-01-01T00:00:00Z", "tool": "tool_result"}
    return spell(rng, event | {"data": rng.randbytes(event_bytes // 2).hex()})


def _events(rng: Random) -> Iterator[tuple[bytes, dict[str, object]]]:
    while True:
        run_ids = [new_id(rng) for _ in range(RUNS_AT_ONCE)]
        stories = {run_id: story(Author(rng, run_id, run_ids)) for run_id in run_ids}
        while stories:
            run_id = rng.choice(list(stories))
            event = next(stories[run_id], None)
            if event is None:
                del stories[run_id]
            else:
                yield run_id.encode(), event


def without_end(rng: Random) -> Iterator[Message]:
    """The same, for as long as one likes."""
    said: list[tuple[bytes, dict[str, object]]] = []
    for key, event in _events(rng):
        said = [*said[-REMEMBERED:], (key, event)]
        value = spell(rng, event)
        yield Message(key, value)
        draw = rng.random()
        if draw < 0.1:
            yield Message(key, value, label="the same again")
        elif draw < 0.2:
            yield Message(key, spell(rng, event), label="the same in another spelling")
        elif draw < 0.3:
            yield _said_again(rng, *rng.choice(said))
        elif draw < 0.35:
            yield Message(key, spell(rng, event | {"other": draw}), label="something else under the same id")
        elif draw < 0.45:
            yield rng.choice((Message(None, value), Message(key, b"no JSON"), Message(key, b"{}"), Message(key, None)))


def _said_again(rng: Random, key: bytes, event: dict[str, object]) -> Message:
    return Message(key, spell(rng, event), label="said before")
