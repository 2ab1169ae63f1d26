"""Hundreds of schedules, each from its first record to the verdict. `make simulate` plays more of them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.schedule import Outcome, play
from tests.simulation.seeds import FAILED, FIXED, VARIABLE, fresh
from tests.simulation.world import in_place

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def models() -> Iterator[None]:
    with in_place():
        yield


def played(seeds: list[int]) -> list[Outcome]:
    outcomes = [play(seed) for seed in seeds]
    for outcome in outcomes:
        assert not outcome.problems, f"{VARIABLE}={outcome.seed}: " + "\n".join(outcome.problems)
    return outcomes


def test_nothing_is_lost_doubled_or_stuck_in_schedules_that_are_always_the_same() -> None:
    outcomes = played([*FAILED, *FIXED])

    # And they are worth playing: faults of every kind, and what the service does about them.
    faults = sum((outcome.faults for outcome in outcomes), Counter[str]())
    said = sum((outcome.said for outcome in outcomes), Counter[str]())
    assert len(faults) >= 15, faults
    assert {"batch_failed", "dead_letter", "halted", "source_broken", "stalled_owner", "unreadable"} <= said.keys()


def test_nothing_is_lost_doubled_or_stuck_in_new_schedules() -> None:
    played(fresh())


def test_a_seed_is_the_same_schedule_to_the_last_turn() -> None:
    # Given what two other processes make of some seeds, whose hashes of strings differ,
    code = (
        "from tests.simulation.schedule import play; from tests.simulation.world import in_place\n"
        "with in_place(): print(*(play(seed).fingerprint for seed in range(4)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for hash_seed in ("1", "2")
    ]
    # then this one makes the same of them, twice.
    ours = [str(play(seed).fingerprint) for seed in range(4)]
    assert [*told, ours] == [[str(play(seed).fingerprint) for seed in range(4)]] * 3
    assert len(set(ours)) == 4


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_deliberate_bug_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch.setattr)

    assert any(play(seed).problems for seed in MUTATIONS[mutation]), "see the comment at MUTATIONS"
