"""An emitter and a consumer on a machine whose clock is a day ahead or behind lose nothing, and wait no longer."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.support.agent_process import run_agent
from tests.support.ledgers.emitted import in_tables
from tests.support.paths import CHECKOUT
from tests.support.scene import Scene

# Of Debian's package libfaketime.
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: apt-get install libfaketime"),
]

AGENT = """
    emitter = Emitter()
    for number in range(10):
        emit(emitter.run("run"), number)
    print("hours", round((time.time() - float(os.environ["NOW"])) / 3600))
    print("left", emitter.flush(60))
"""


@pytest.mark.parametrize(("change", "hours"), [("+1d", 24), ("-1d", -24)])
async def test_a_clock_that_is_a_day_off_loses_nothing(scene: Scene, change: str, hours: int) -> None:
    # Given a wrong time of day, on which, as on any machine, the monotonic clock does not depend,
    clock = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": change, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    # when an agent emits, and a consumer stores,
    kafka = {"KAFKA_BOOTSTRAP_SERVERS": scene.servers.bootstrap_servers, "AGENT_RUNS_TOPIC": scene.topic}
    result = await run_agent([AGENT], scene.directory, **kafka, **clock, NOW=str(time.time()))
    command = (sys.executable, "-m", "consumer", "run", "--until-end")
    environ = scene.environ(AGENT_RUNS_GROUP=scene.until_end_group, **clock)
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env=environ, stdout=PIPE, stderr=STDOUT)
    output = (await process.communicate())[0].decode()
    # then every event is stored, with the time of Kafka and not with that of the machine.
    assert f"hours {hours}" in result.output, result.errors
    assert "left 0" in result.output
    assert process.returncode == 0, output
    assert result.ledger.differences(in_tables(await scene.tables())) == []
    await scene.assert_consistent(dead_letters=False)
    ((late_s,),) = await scene.rows("SELECT max(abs(extract(epoch FROM now() - created_at))) FROM agent_runs")
    assert late_s < 3600
