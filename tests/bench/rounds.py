"""Rounds: every contestant once, one after the other, so that a busy machine is busy for all of them."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console

from tests.bench.contestants import CEILING
from tests.bench.stage import Stage
from tests.bench.turns import Contestant, Result, take_turn

Round = dict[str, Result]


class Ratio(NamedTuple):
    """To the ceiling of the same round."""

    median: float
    least: float
    most: float


async def play(contestants: Sequence[Contestant], stage: Stage, rounds: int, console: Console) -> list[Round]:
    """The rounds that count, after one that doesn't. Each begins with another contestant."""
    played: list[Round] = []
    for number in range(rounds + 1):
        turn = number % len(contestants)
        results = {one.name: await take_turn(one, stage) for one in (*contestants[turn:], *contestants[:turn])}
        told = ", ".join(f"{one.name} {results[one.name].events_per_s:,.0f}" for one in contestants)
        console.print(f"  {f'round {number}' if number else 'warm-up'}: {told} events/s")
        played += [results] if number else []
    return played


def summarise(contestants: Sequence[Contestant], rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Medians over the rounds, by contestant."""
    return {one.name: _summary(one.name, rounds) for one in contestants}


def _summary(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    results = [results[name] for results in rounds]
    medians = {field: median(getattr(result, field) for result in results) for field in Result._fields}
    return {**medians, "ratio": ratio(rounds, name)._asdict()}


def ratio(rounds: Sequence[Round], name: str) -> Ratio:
    """How near one came to the ceiling. Each round is compared with itself: the next one is on another machine."""
    ratios = [results[name].events_per_s / results[CEILING].events_per_s for results in rounds]
    return Ratio(median(ratios), min(ratios), max(ratios))
