"""A short nemesis round with a new seed, and the rounds that once failed, at their full length."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from secrets import randbits

import pytest

from tests.nemesis.environment import open_environment
from tests.nemesis.round import RoundPlan, play_round
from tests.nemesis.rounds import FAILED, Summary, plan, short_plan


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as opened:
        yield opened


@pytest.mark.timeout(300)
async def test_every_record_is_in_one_place_after_random_faults(tmp_path: Path, pool: Executor) -> None:
    seed = os.environ.get("AGENT_RUNS_TEST_SEED") or str(randbits(32))
    print(f"AGENT_RUNS_TEST_SEED={seed}")
    await _assert_nothing_is_violated(short_plan(seed), tmp_path, pool)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("seed", "number"), FAILED)
async def test_a_round_that_once_failed_does_not_fail_again(
    seed: int, number: int, tmp_path: Path, pool: Executor
) -> None:
    await _assert_nothing_is_violated(plan(seed, number), tmp_path, pool)


async def _assert_nothing_is_violated(planned: RoundPlan, directory: Path, pool: Executor) -> None:
    round_directory, summary = directory / "round", Summary()
    round_directory.mkdir()
    async with open_environment(directory, fast_start=True) as env:
        result = await play_round(env, planned, round_directory, pool)
    print(summary.add(1, planned.seed, result), *summary.lines(), sep="\n")
    assert result.figures["records"] > 0
    assert result.faults.total() > 2
    assert result.violations == []
