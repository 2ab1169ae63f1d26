"""The previous version and this one, side by side on the same tables, as during an upgrade or its roll-back.

Which version is the previous one, `AGENT_RUNS_TEST_PREVIOUS` says: any commit that this clone has.
"""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.consumer_process import CHECKOUT
from tests.support.scene import Scene
from tests.support.workloads.background import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 2
PRODUCT = ("agent_runs", "consumer", "schema")


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The previous version's product, in a directory of its own."""
    commit = os.environ.get("AGENT_RUNS_TEST_PREVIOUS")
    if not commit:
        pytest.skip("AGENT_RUNS_TEST_PREVIOUS names no commit")
    archive = ["git", "archive", "--format=tar", commit, *PRODUCT]
    packed = subprocess.run(archive, cwd=CHECKOUT, capture_output=True, check=True).stdout
    directory = tmp_path / "previous"
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(directory, filter="data")
    return directory


async def test_a_rolling_upgrade_and_its_roll_back_under_load_cost_nothing(
    scene: Scene, previous: Path, seed: int
) -> None:
    # Given two consumers of the previous version on tables that this version has migrated,
    members = [scene.start_version(previous), scene.start_version(previous)]
    for member in members:
        await member.says("Consuming")
    async with load(scene, seed):
        for upgrades in (True, False) * ROUNDS:
            # when one after the other is replaced by one of this version, and later by one of the previous again,
            for _ in range(len(members)):
                newcomer = scene.start() if upgrades else scene.start_version(previous)
                await newcomer.says("Consuming")
                await scene.stores_more(200)
                await members.pop(0).terminated()
                members.append(newcomer)
    # then every record is in one place, whichever of them stored it.
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    for member in members:
        await member.terminated()
