"""What a login has set about the formats of values and texts changes neither what is stored nor what is read."""

from dataclasses import replace
from random import Random

from agent_runs.reader import Reader
from tests.support.messages import Message, event_with_literal
from tests.support.scene import Scene
from tests.support.servers import MakeDatabase
from tests.support.servers.logins import CONSUMER, READER, login
from tests.support.snapshots import RUN_DATA, snapshot
from tests.support.workloads.mixed import mixed

FORMATS = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "search_path": "nowhere",
}
# A value that PostgreSQL refuses, and one that JSONB cannot hold exactly.
STORE_REJECTED, RAW = event_with_literal("x", b"1e131072"), event_with_literal("raw", rb'"\u0000 \ud800"')


async def test_a_login_with_other_formats_stores_and_reads_the_same(
    scene: Scene, make_database: MakeDatabase, rng: Random
) -> None:
    # Given a log that a login with the defaults has consumed, when a login with other formats consumes it,
    added = [Message(b"run", STORE_REJECTED), Message(b"run", RAW)]
    await scene.publish(*mixed(rng, 150), *added)
    await scene.consume()
    again = replace(scene, database=await make_database())
    async with login(again.database, CONSUMER, FORMATS) as url:
        await replace(again, database=url).consume()
        verified = await replace(again, database=url).command("verify", "--topic")
    # then the tables are the same, `verify` finds no difference,
    expected, stored = await snapshot(scene.database), await snapshot(again.database)
    assert all(expected[name] for name in RUN_DATA)
    assert stored == expected
    assert verified.exit_code == 0, verified.output
    # and a reader reads the same.
    async with login(again.database, READER, FORMATS) as url, Reader(url) as other, Reader(scene.database) as reader:
        page, other_page = await reader.list_runs(limit=5), await other.list_runs(limit=5)
        assert page.runs == other_page.runs
        for run in page.runs:
            assert await reader.get_run(run.id) == await other.get_run(run.id)
