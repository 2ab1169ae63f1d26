"""The mix, and everybody who can store it, in turns."""

from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import ceiling, consumer
from tests.bench.original import original
from tests.bench.peers.connect import debezium
from tests.bench.peers.flat import flat
from tests.bench.peers.python import quix, recorder
from tests.bench.rounds import play, summarise
from tests.bench.stage import Load, Stage, publish
from tests.bench.turns import Contestant

_OF_ORIGINAL: Final = 10_000  # events; it would take an hour for all
_FLAT: Final = "flat"


async def measure(stage: Stage, load: Load, rounds: int, console: Console, *, peers: bool) -> dict[str, Any]:
    """Play the rounds."""
    contestants = [
        *(ceiling(load), ceiling(load, 2)),
        *(consumer(stage, load, lanes) for lanes in (1, 2, 3)),
        *(consumer(stage, load, lanes, processes=2) for lanes in (1, 2)),
        original(stage, load, _OF_ORIGINAL),
        *(await _peers(stage, load) if peers else ()),
    ]
    played = await play(contestants, stage, rounds, console)
    every = [{name: result._asdict() for name, result in results.items()} for results in played]
    return {"medians": summarise(contestants, played), "rounds": every}


async def _peers(stage: Stage, load: Load) -> list[Contestant]:
    await publish(stage, _FLAT, flat(load.placed))
    flattened = Load(_FLAT, load.placed)
    return [
        *(debezium(stage, flattened, tasks, safe=safe) for safe in (False, True) for tasks in (1, 2)),
        quix(stage, flattened),
        *(recorder(load.placed[: 100 * at_once], at_once) for at_once in (50, 1000)),
    ]


def show(figures: dict[str, Any]) -> str:
    """A line for each contestant."""
    return report.speeds(figures["medians"])
