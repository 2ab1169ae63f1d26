"""Rounds: every contestant once, one after the other, so that a busy machine is busy for all of them."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from rich.console import Console

from tests.bench.contestants import CEILING, Contestant, Result, Stage, measure

Round = dict[str, Result]


class Ratio(NamedTuple):
    """To the ceiling of the same round."""

    median: float
    least: float
    most: float


async def play(
    contestants: Sequence[Contestant], stage: Stage, events: int, rounds: int, console: Console
) -> list[Round]:
    """The rounds that count, after one that doesn't. Each begins with another contestant."""
    played: list[Round] = []
    for number in range(rounds + 1):
        turn = number % len(contestants)
        results = {one.name: await measure(one, stage, events) for one in (*contestants[turn:], *contestants[:turn])}
        told = ", ".join(f"{one.name} {results[one.name].events_per_s:,.0f}" for one in contestants)
        console.print(f"{f'round {number}' if number else 'warm-up'}: {told} events/s")
        played += [results] if number else []
    return played


def ratio(rounds: Sequence[Round], name: str) -> Ratio:
    """How near one came to the ceiling. Each round is compared with itself: the next one is on another machine."""
    ratios = [results[name].events_per_s / results[CEILING].events_per_s for results in rounds]
    return Ratio(median(ratios), min(ratios), max(ratios))
