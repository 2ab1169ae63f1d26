"""The previous version and this one together on the same tables, as during an upgrade or its rollback.

`AGENT_RUNS_TEST_PREVIOUS` names the previous version: any commit of this clone.
"""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.consumer_process import ConsumerProcess
from tests.support.paths import CHECKOUT
from tests.support.scene import Scene
from tests.support.workloads.background import publishing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 2
PRODUCT = ("agent_runs", "consumer", "schema")


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """A directory with the previous version's product."""
    commit = os.environ.get("AGENT_RUNS_TEST_PREVIOUS")
    if not commit:
        pytest.skip("AGENT_RUNS_TEST_PREVIOUS names no commit")
    archive = ["git", "archive", "--format=tar", commit, *PRODUCT]
    packed = subprocess.run(archive, cwd=CHECKOUT, capture_output=True, check=True).stdout
    directory = tmp_path / "previous"
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(directory, filter="data")
    return directory


async def test_a_rolling_upgrade_and_its_rollback_under_load_lose_nothing(
    scene: Scene, previous: Path, seed: int
) -> None:
    # Given two consumers of the previous version on tables that this version has migrated,
    members = [_start_previous(scene, previous), _start_previous(scene, previous)]
    for member in members:
        await member.wait_for_action("run")
    async with publishing(scene, seed):
        for upgrades in (True, False) * ROUNDS:
            # when they are replaced one by one by consumers of this version, and later by the previous version again,
            for _ in range(len(members)):
                newcomer = scene.start() if upgrades else _start_previous(scene, previous)
                await newcomer.wait_for_action("run")
                await scene.wait_for_more(200)
                await members.pop(0).terminate()
                members.append(newcomer)
    # then every record is stored exactly once, whichever version stored it.
    await scene.wait_until_drained()
    for member in members:
        await member.terminate()
    if not _folds_questions(previous):
        # Its statuses are others, and it leaves the columns of the questions and the labels as they are.
        rebuilt = await scene.command("rebuild")
        assert rebuilt.exit_code == 0, rebuilt.output
    await scene.assert_consistent(dead_letters=False)


def _folds_questions(checkout: Path) -> bool:
    return "\ndef fold(" in (checkout / "agent_runs" / "status.py").read_text(encoding="utf-8")


def _start_previous(scene: Scene, checkout: Path) -> ConsumerProcess:
    return scene.launch("consumer", ("run",), scene.consumer_settings, checkout)
