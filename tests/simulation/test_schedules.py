"""A hundred schedules: seeds that once failed, fixed seeds and new ones. `make simulate` plays more."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from secrets import randbits

import pytest

from tests.simulation.environment import simulated_clients
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.schedule import Result, play

CHECKOUT = Path(__file__).parents[2]

# Seeds that once failed, and what they found.
FAILED: dict[int, str] = {
    2535244497: "the model of PostgreSQL: a transaction that had ended took a lock, and others waited for it forever",
}
FIXED = range(102, 162)  # chosen so that every kind of event happens that the first test asserts
FRESH = 40
VARIABLE = "AGENT_RUNS_TEST_SEED"


def fresh() -> list[int]:
    """New seeds, or the one in AGENT_RUNS_TEST_SEED."""
    seed = os.environ.get(VARIABLE)
    return [int(seed)] if seed else [randbits(32) for _ in range(FRESH)]


@pytest.fixture(autouse=True)
def models() -> Iterator[None]:
    with simulated_clients():
        yield


def played(seeds: list[int]) -> list[Result]:
    results = [play(seed) for seed in seeds]
    for result in results:
        assert not result.problems, f"{VARIABLE}={result.seed}: " + "\n".join(result.problems)
    return results


def test_nothing_is_lost_duplicated_or_stuck_in_fixed_schedules() -> None:
    results = played([*FAILED, *FIXED])

    # And they cover nearly all kinds of faults, and the reactions of the service.
    faults = sum((result.faults for result in results), Counter[str]())
    actions = sum((result.log_actions for result in results), Counter[str]())
    assert len(faults) >= 15, faults
    assert {"batch_failed", "dead_letter", "halted", "stalled_owner", "unreadable"} <= actions.keys()
    assert {"refused", "accepted", "source_broken", "source_replaced"} <= actions.keys()
    assert {"available", "batch_stored"} <= actions.keys()


def test_nothing_is_lost_duplicated_or_stuck_in_new_schedules() -> None:
    played(fresh())


def test_a_seed_gives_the_same_callbacks_in_the_same_order_in_every_process() -> None:
    # Given the fingerprints of some seeds from two other processes with different string hashes,
    code = (
        "from tests.simulation.schedule import play; from tests.simulation.environment import simulated_clients\n"
        "with simulated_clients(): print(*(play(seed).fingerprint for seed in range(4)))"
    )
    others = [
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
    # then this process gets the same fingerprints, twice.
    own = [str(play(seed).fingerprint) for seed in range(4)]
    assert [*others, own] == [[str(play(seed).fingerprint) for seed in range(4)]] * 3
    assert len(set(own)) == 4


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_each_mutation_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch.setattr)

    assert any(play(seed).problems for seed in MUTATIONS[mutation]), "see the comment at MUTATIONS"
