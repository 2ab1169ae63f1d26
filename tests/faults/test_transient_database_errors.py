"""PostgreSQL answers with transient errors: locks, limits, a full disk; or it is slow.

None of these is an error of a record: the consumer waits, stores every record, and writes no dead letter.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from deploy.local import PostgreSQL
from deploy.local.users import is_root, make_private_directory
from tests.support.foreign_producer import keys_of_partition
from tests.support.messages import Message, event
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.clients import Connection, execute, fetch_value
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import large_events

LONG_LOCK_TIMEOUT = {"AGENT_RUNS_LOCK_TIMEOUT_S": "60"}
# Small enough for a backlog of a few megabytes to show whether fetching is held back.
SMALL_BATCHES = {"AGENT_RUNS_BATCH_RECORDS": "100", "AGENT_RUNS_FETCH_BYTES": "262144", "AGENT_RUNS_LANES": "1"}
SESSION = {"AGENT_RUNS_SESSION_TIMEOUT_S": "4"}
# Raised once each by the next COPY of events: a serialization failure, a full disk, no memory, a cancel, an I/O error.
SQLSTATES = ["40001", "53100", "53200", "57014", "58030"]
RAISE_ERRORS = f"""
    CREATE SEQUENCE errors_raised;
    CREATE FUNCTION raise_error() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        code text := ('{{{",".join(SQLSTATES)}}}'::text[])[nextval('errors_raised')];
    BEGIN
        IF code IS NOT NULL THEN
            RAISE EXCEPTION 'not now' USING ERRCODE = code;
        END IF;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER raise_error BEFORE INSERT ON run_events FOR EACH STATEMENT EXECUTE FUNCTION raise_error();
"""
LOCK = "SELECT FROM agent_runs WHERE id = $1 FOR UPDATE"
WAITS_FOR_A_LOCK = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'agent-runs-consumer'
                      AND wait_event_type = 'Lock')
"""


async def test_a_deadlock_is_resolved_by_repeating_the_same_batch(scene: Scene, other_session: Connection) -> None:
    # Given stored runs, and a session with a longer deadlock_timeout than the consumer, whose transaction is therefore
    # the one that PostgreSQL ends,
    first, last = sorted(islice(keys_of_partition(0, PARTITIONS), 2))
    await scene.publish(*[Message(run, event("first")) for run in (first, last)])
    await scene.run_until_end()
    await execute(scene.database, f"ALTER DATABASE {scene.database_name} SET deadlock_timeout = '4s'")
    await other_session.execute("SET deadlock_timeout = '60s'")
    transaction = other_session.transaction()
    await transaction.start()
    # when the session locks one run, and then the run that the consumer has locked first,
    await other_session.execute(LOCK, last.decode())
    await scene.publish(*[Message(run, event("second")) for run in (first, last)])
    consumer = scene.start(**LONG_LOCK_TIMEOUT)
    await until(lambda: _waits_for_a_lock(scene), "the consumer waits for a lock")
    await other_session.execute(LOCK, first.decode())
    # then PostgreSQL ends the consumer's transaction, and the consumer repeats it until the other one has ended.
    await consumer.wait_for_output("Unavailable('deadlock detected")
    await transaction.commit()
    await _everything_is_stored(scene)


async def test_transient_errors_in_mid_transaction_are_retried(scene: Scene, seed: int) -> None:
    # Given a consumer under load, when its COPY fails with one transient error after the other,
    consumer = scene.start()
    async with publishing(scene, seed):
        await scene.wait_for_more()
        await execute(scene.database, RAISE_ERRORS)
        # then each is logged, and the same batch is repeated until it is stored.
        for code in SQLSTATES:
            await consumer.wait_for_output(f"Unavailable('not now (SQLSTATE {code})")
        await scene.wait_for_more(100)
    await _everything_is_stored(scene)


async def test_a_statement_that_times_out_is_repeated(scene: Scene, other_session: Connection, seed: int) -> None:
    # Given a consumer with a short deadline, and a table that is locked for longer. (The server's timeout comes first
    # on a busy machine too: it is a share of the deadline.)
    async with publishing(scene, seed):
        consumer = scene.start(**LONG_LOCK_TIMEOUT, AGENT_RUNS_DATABASE_TIMEOUT_S="3")
        await scene.wait_for_more()
        async with other_session.transaction():
            await other_session.execute("LOCK TABLE agent_runs IN EXCLUSIVE MODE")
            # when the consumer's statements time out, then it repeats them until they succeed.
            await consumer.wait_for_output("Unavailable('canceling statement due to statement timeout", times=2)
        await scene.wait_for_more(100)
        await consumer.wait_for_action("batch_stored")
    await _everything_is_stored(scene)
    await consumer.terminate()


async def test_a_server_without_a_free_connection_is_waited_for(scene: Scene, seed: int) -> None:
    # Given a consumer under load, with a login whose connections can be limited,
    async with login(scene.database, CONSUMER) as url:
        consumer = scene.start(DATABASE_URL=url)
        async with publishing(scene, seed):
            await scene.wait_for_more()
            # when it loses its connections and gets no other,
            await execute(scene.database, f"ALTER ROLE {urlsplit(url).username} CONNECTION LIMIT 0")
            await scene.terminate_backends()
            await consumer.wait_for_output("SQLSTATE 53300", times=2)
            # then it continues once it gets one.
            await execute(scene.database, f"ALTER ROLE {urlsplit(url).username} CONNECTION LIMIT -1")
            await scene.wait_for_more(100)
        await _everything_is_stored(scene)
        await consumer.terminate()


@pytest.fixture
def small_disk(killable_postgres: PostgreSQL) -> Iterator[Path]:
    """A directory in a file system of two megabytes that PostgreSQL may write to."""
    mount = shutil.which("mount", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")
    if mount is None or not is_root():
        pytest.skip("mounting a small file system needs root and `mount`")
    point = killable_postgres.directory / f"disk-{uuid4().hex}"
    point.mkdir(mode=0o755)
    command: list[str | Path] = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", point]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    directory = point / "tablespace"
    make_private_directory(directory)
    yield directory
    subprocess.run(["umount", "--lazy", point], check=True)


def _enlarge(point: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=256m", point], check=True)


async def test_a_full_disk_is_waited_for_until_there_is_room(
    scene_on_killable_postgres: Scene, small_disk: Path, rng: Random
) -> None:
    # Given a tablespace for events that is smaller than the backlog,
    scene = scene_on_killable_postgres
    space = f"small_{uuid4().hex}"
    await execute(scene.database, f"CREATE TABLESPACE {space} LOCATION '{small_disk}'")
    await execute(scene.database, f"ALTER TABLE run_events SET TABLESPACE {space}")
    await scene.publish(*large_events(rng, 2_000))
    # when it is full,
    consumer = scene.start()
    await consumer.wait_for_output("No space left on device", times=3)
    assert not (await scene.tables()).dead_letters
    # then the consumer waits, and stores the rest once there is room.
    await asyncio.to_thread(_enlarge, small_disk.parent)
    await _everything_is_stored(scene)
    await consumer.terminate()
    await execute(scene.database, "DROP TABLE run_events CASCADE")
    await execute(scene.database, f"DROP TABLESPACE {space}")


async def test_a_slow_database_delays_fetches_and_not_heartbeats(scene: Scene, rng: Random) -> None:
    # Given a consumer that has stored some events,
    async with DatabaseProxy(scene.database) as proxy:
        consumer = scene.start(DATABASE_URL=proxy.database_url, **SMALL_BATCHES, **SESSION)
        await scene.publish(*large_events(rng, 1_000))
        await scene.wait_until_drained()
        before = consumer.peak_mib
        # when every COMMIT takes 200 ms, and 32 MB are to be stored,
        proxy.write_delay_s = 0.2
        await scene.publish(*large_events(rng, 8_000))
        await scene.wait_for_more(2_500)  # takes 25 COMMITs, and so longer than the session timeout
        # then it has fetched only the current batches and the next ones, and is still a member of the group.
        print(f"grown by {consumer.peak_mib - before:.1f} MiB")
        assert consumer.peak_mib < before + 35  # it would be 50 if everything were fetched
        # And when the database is fast again, the rest is soon stored.
        proxy.write_delay_s = 0
        await scene.wait_until_drained()
        assert consumer.count("assigned") == 1
    assert await fetch_value(scene.database, "SELECT count(*) FROM run_events") == 9_000


async def _everything_is_stored(scene: Scene) -> None:
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)


async def _waits_for_a_lock(scene: Scene) -> bool:
    return bool(await fetch_value(scene.database, WAITS_FOR_A_LOCK))
