"""PostgreSQL is there, and does not do what it is asked: locks, limits, a full disk, slowness.

None of that is a record's fault: whoever waits long enough stores all of them, and writes no letter.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from itertools import count, islice
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from deploy.local import PostgreSQL
from deploy.local.users import is_root, make_private_directory
from tests.faults.conftest import PARTITIONS
from tests.support.corpus import Message
from tests.support.foreign_producer import aiokafka_partition
from tests.support.messages import event
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.servers.clients import execute, fetch_value
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until
from tests.support.workloads.background import load
from tests.support.workloads.troubled import bulky

PATIENT = {"AGENT_RUNS_LOCK_TIMEOUT_S": "60"}
# Small enough that a backlog of some megabytes shows whether it is kept out.
SMALL = {"AGENT_RUNS_BATCH_RECORDS": "100", "AGENT_RUNS_FETCH_BYTES": "262144"}
# Once each, to whoever copies events: as a busy cluster answers, a full disk, no memory, an administrator, a bad disk.
TROUBLES = ["40001", "53100", "53200", "57014", "58030"]
TROUBLE = f"""
    CREATE SEQUENCE troubles;
    CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        code text := ('{{{",".join(TROUBLES)}}}'::text[])[nextval('troubles')];
    BEGIN
        IF code IS NOT NULL THEN
            RAISE EXCEPTION 'not now' USING ERRCODE = code;
        END IF;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER trouble BEFORE INSERT ON run_events FOR EACH STATEMENT EXECUTE FUNCTION trouble();
"""
LOCK = "SELECT FROM agent_runs WHERE id = $1 FOR UPDATE"
WAITS_FOR_A_LOCK = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'agent-runs-consumer'
                      AND wait_event_type = 'Lock')
"""


@pytest.fixture
async def stranger(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session of somebody else, who works on the same rows."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_a_deadlock_with_somebody_who_locks_runs_in_another_order_ends_with_the_same_batch(
    scene: Scene, stranger: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    # Given runs that are stored, a server that looks for deadlocks after a while, and a stranger who does not give way,
    first, last = sorted(islice((key for key in _run_ids() if aiokafka_partition(key, PARTITIONS) == 0), 2))
    scene.publish([Message(run, event("first")) for run in (first, last)])
    await scene.consume()
    await execute(scene.database, f"ALTER DATABASE {_name(scene)} SET deadlock_timeout = '2s'")
    await stranger.execute("SET deadlock_timeout = '60s'")
    transaction = stranger.transaction()
    await transaction.start()
    # when the stranger locks one run, and then the one that the consumer has locked before it,
    await stranger.execute(LOCK, last.decode())
    scene.publish([Message(run, event("second")) for run in (first, last)])
    consumer = scene.start(**PATIENT)
    await until(lambda: _holds(scene, WAITS_FOR_A_LOCK), "the consumer waits for the stranger")
    await stranger.execute(LOCK, first.decode())
    # then PostgreSQL ends the consumer's transaction, which is tried again until the stranger is done.
    await consumer.says("Unavailable('deadlock detected")
    await transaction.commit()
    await _everything_is_stored_and_nothing_blamed(scene)


async def test_what_the_world_answers_in_mid_transaction_is_waited_out(scene: Scene, seed: int) -> None:
    # Given a consumer at work, when its COPY meets one trouble of the world after the other,
    consumer = scene.start()
    async with load(scene, seed):
        await scene.stores_more()
        await execute(scene.database, TROUBLE)
        # then each is told, and the same batch tried again until it is stored.
        for code in TROUBLES:
            await consumer.says(f"Unavailable('not now (SQLSTATE {code})")
        await scene.stores_more(100)
    await _everything_is_stored_and_nothing_blamed(scene)


async def test_a_statement_that_is_ended_for_its_length_is_tried_again(
    scene: Scene, stranger: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    # Given a login whose statements are ended after a fraction of a second, and a table that is locked for longer,
    async with login(scene.database, CONSUMER) as url:
        await execute(scene.database, f"ALTER ROLE {urlsplit(url).username} SET statement_timeout = '300ms'")
        async with load(scene, seed):
            consumer = scene.start(DATABASE_URL=url, **PATIENT)
            await scene.stores_more()
            async with stranger.transaction():
                await stranger.execute("LOCK TABLE agent_runs IN EXCLUSIVE MODE")
                # when the consumer's statements are ended, then it tries again until they are not.
                await consumer.says("Unavailable('canceling statement due to statement timeout", times=2)
            await scene.stores_more(100)
        await _everything_is_stored_and_nothing_blamed(scene)
        await consumer.terminated()


async def test_a_server_with_no_connection_to_spare_is_waited_for(scene: Scene, seed: int) -> None:
    # Given a consumer at work, with a login that may have only so many connections,
    async with login(scene.database, CONSUMER) as url:
        consumer = scene.start(DATABASE_URL=url)
        async with load(scene, seed):
            await scene.stores_more()
            # when it loses its connections, and gets no other,
            await execute(scene.database, f"ALTER ROLE {urlsplit(url).username} CONNECTION LIMIT 0")
            await scene.terminate_backends()
            await consumer.says("SQLSTATE 53300", times=2)
            # then it goes on once there are some.
            await execute(scene.database, f"ALTER ROLE {urlsplit(url).username} CONNECTION LIMIT -1")
            await scene.stores_more(100)
        await _everything_is_stored_and_nothing_blamed(scene)
        await consumer.terminated()


@pytest.fixture
def small_disk(mortal_postgres: PostgreSQL) -> Iterator[Path]:
    """A file system of two megabytes that PostgreSQL may write to."""
    mount = shutil.which("mount", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")
    if mount is None or not is_root():
        pytest.skip("a file system of its own size takes root, and `mount`")
    point = mortal_postgres.directory / f"disk-{uuid4().hex}"
    point.mkdir(mode=0o755)
    command: list[str | Path] = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", point]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount a file system: {mounted.stderr.strip()}")
    directory = point / "tablespace"
    make_private_directory(directory)
    yield directory
    subprocess.run(["umount", "--lazy", point], check=True)


def _enlarge(point: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=256m", point], check=True)


async def test_a_full_disk_is_waited_for_until_there_is_room(
    scene_of_mortal_postgres: Scene, small_disk: Path, rng: Random
) -> None:
    # Given events on a disk that holds a part of the backlog only,
    scene = scene_of_mortal_postgres
    space = f"small_{uuid4().hex}"
    await execute(scene.database, f"CREATE TABLESPACE {space} LOCATION '{small_disk}'")
    await execute(scene.database, f"ALTER TABLE run_events SET TABLESPACE {space}")
    scene.publish(bulky(rng, 2_000))
    # when it is full,
    consumer = scene.start()
    await consumer.says("No space left on device", times=3)
    assert not (await scene.tables()).dead_letters
    # then the consumer waits, and stores the rest once there is room.
    await asyncio.to_thread(_enlarge, small_disk.parent)
    await _everything_is_stored_and_nothing_blamed(scene)
    await consumer.terminated()
    await execute(scene.database, "DROP TABLE run_events CASCADE")
    await execute(scene.database, f"DROP TABLESPACE {space}")


async def test_a_slow_database_holds_the_fetch_back_and_not_the_heartbeat(scene: Scene, rng: Random) -> None:
    # Given a consumer at work,
    async with DatabaseProxy(scene.database) as proxy:
        consumer = scene.start(DATABASE_URL=proxy.database_url, **SMALL)
        scene.publish(bulky(rng, 1_000))
        await scene.drained()
        before = consumer.peak_mib
        # when the database begins to take its time for every COMMIT, and 32 MB are to be stored,
        proxy.change_delay_s = 0.2
        scene.publish(bulky(rng, 8_000))
        await scene.stores_more(2_500)  # for longer than the group waits for a silent member
        # then no more was fetched than is being written and comes next, and the consumer is still a member.
        print(f"grown by {consumer.peak_mib - before:.1f} MiB")
        assert consumer.peak_mib < before + 35  # 50, were all of it fetched
        # And when the database is well again, the rest is soon stored.
        proxy.change_delay_s = 0
        await scene.drained()
        assert consumer.output.count("Partitions assigned") == 1
    assert await fetch_value(scene.database, "SELECT count(*) FROM run_events") == 9_000


async def _everything_is_stored_and_nothing_blamed(scene: Scene) -> None:
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters


def _run_ids() -> Iterator[bytes]:
    return (f"run-{number}".encode() for number in count())


async def _holds(scene: Scene, query: str) -> bool:
    return bool(await fetch_value(scene.database, query))


def _name(scene: Scene) -> str:
    return scene.database.rpartition("/")[2]
