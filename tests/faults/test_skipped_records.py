"""`offsets skip`: records that halt a partition, and what becomes of them."""

from pathlib import Path

import pytest

from consumer.errors import UsageError
from consumer.ingest.transaction import Transaction
from consumer.partitions.skip_command import Decision, Skipped
from consumer.partitions.skip_command import skip as skip_record
from consumer.postgres.session import Session
from consumer.postgres.store import Store
from consumer.settings import read_config
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.messages import Message, event, events_of
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.scene import PARTITIONS, Scene
from tests.support.unreadable_records import publish_batch

WHO = ("--by", "Ada", "--because", "ticket 4711")
LINGER_MS = 60_000  # what is published at once is one batch: flush() ends the wait

HISTORY = """
    SELECT h.action, h.actor, h.detail, d.key, d.value
      FROM dead_letter_history AS h JOIN dead_letters AS d ON d.id = h.letter_id
"""
# Of each partition: whether events, dead letters and repeats add up.
ARITHMETIC = """
    SELECT o.next_offset - o.first_offset
         = (SELECT count(*) FROM run_events WHERE source_partition = o.partition)
         + (SELECT coalesce(sum(offset_count), 0) FROM dead_letters AS d WHERE d.partition = o.partition)
         + o.repeats
      FROM consumer_offsets AS o
"""
LOSE_CONNECTION = """
    CREATE FUNCTION lose_connection() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$
"""
LOSE_EVENT = """
    CREATE TRIGGER lose_event BEFORE INSERT ON run_events
    FOR EACH ROW WHEN (NEW.id = 'poison') EXECUTE FUNCTION lose_connection()
"""
LOSE_LETTER = """
    CREATE TRIGGER lose_letter BEFORE INSERT ON dead_letters
    FOR EACH ROW WHEN (NEW.value IS NOT NULL) EXECUTE FUNCTION lose_connection()
"""


async def skip(scene: Scene, offset: int, partition: int = 0, max_bytes: int = 100_000_000) -> tuple[int, str]:
    where = ("--partition", str(partition), "--offset", str(offset))
    limit = {"AGENT_RUNS_MAX_DECOMPRESSED_BYTES": str(max_bytes)}
    finished = await scene.command("offsets", "skip", *where, *WHO, **limit)
    return finished.exit_code, finished.output


async def test_a_skipped_record_becomes_a_dead_letter_and_the_running_consumer_continues_behind_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a consumer that is halted at a record among good ones in a batch, with more behind the batch,
    await scene.publish(Message(b"run", event("before"), 0))
    await publish_batch(scene.servers.bootstrap_servers, scene.topic, monkeypatch, "a", "unreadable", "b")
    await scene.publish(Message(b"run", event("behind"), 0))
    consumer = scene.start()
    await consumer.wait_for_output("the record at offset 2 cannot be read")
    await scene.wait_for_events("run", "before", "a")
    # when the operator names another offset or partition, then nothing is skipped;
    for offset, partition in ((1, 0), (3, 0), (0, 1)):
        exit_code, output = await skip(scene, offset, partition=partition)
        assert exit_code == 2, output
    assert await scene.event_ids("run") == ["before", "a"]
    # when it is the offset of the halt,
    exit_code, output = await skip(scene, 2)
    # then the record is a dead letter with its exact bytes and the decision, and the others are stored in order.
    assert exit_code == 0, output
    assert "continues at offset 4" in output
    await scene.wait_for_events("run", "before", "a", "b", "behind")
    assert await scene.dead_letters() == [(2, "unreadable")]
    assert await scene.rows(HISTORY) == [("skipped", "Ada", "ticket 4711", b"run", event("unreadable"))]
    assert consumer.alive
    await scene.assert_consistent()
    # A retry stores the event at the end of its run.
    retried = await scene.command("dead-letters", "retry", "--all")
    assert retried.exit_code == 0, retried.output
    assert await scene.event_ids("run") == ["before", "a", "b", "behind", "unreadable"]
    verified = await scene.command("verify", "--topic")
    assert verified.exit_code == 0, verified.output
    await scene.assert_consistent()


async def test_a_corrupt_batch_is_skipped_as_a_whole_with_its_bytes(
    scene_on_killable_kafka: Scene, killable_kafka: ProxiedKafka
) -> None:
    # Given a batch of three events whose bytes have changed on the broker's disk, between others,
    scene = scene_on_killable_kafka
    settings: dict[str, str | int | bool] = {"compression.type": "none", "linger.ms": LINGER_MS}
    producer = foreign_producer(killable_kafka.bootstrap_servers, **settings)
    for names in (["before"], ["a", "b-rotten", "c"], ["behind"]):
        publish(producer, scene.topic, events_of("run", *names))
    (segment,) = killable_kafka.directory.glob(f"data/{scene.topic}-0/*0.log")
    damage(segment, b"b-rotten")
    finished = await scene.command("run", "--until-end")
    assert finished.exit_code == 3, finished.output
    assert "the record at offset 1 cannot be read: CorruptRecordException" in finished.output
    # when it is skipped, then its dead letter stands for all three offsets,
    exit_code, output = await skip(scene, 1)
    assert exit_code == 0, output
    assert "the record at offset 1 of partition 0 and the 2 offsets after it" in output
    columns = "record_offset, offset_count, key, value = $1, state, reason"
    batch = segment.read_bytes()[slice(*batch_bounds(segment, 1))]
    assert await scene.rows(f"SELECT {columns} FROM dead_letters", batch) == [(1, 3, None, True, "open", "unreadable")]
    # the partition continues, every offset is accounted for, and a retry leaves the dead letter as it is.
    await scene.run_until_end()
    assert await scene.event_ids("run") == ["before", "behind"]
    assert await scene.rows(ARITHMETIC) == [(True,)] * PARTITIONS
    verified = await scene.command("verify", "--topic")
    assert verified.exit_code == 0, verified.output
    await scene.assert_consistent()
    retried = await scene.command("dead-letters", "retry", "--all")
    assert "it has no key, and its value is what could be kept" in retried.output
    assert await scene.dead_letters() == [(1, "unreadable")]
    # When the partition is consumed again from its start, it halts there again, and a second skip counts as repeats.
    await scene.rows("UPDATE consumer_offsets SET next_offset = 0, last_offset = NULL, last_timestamp = NULL")
    finished = await scene.command("run", "--until-end")
    assert finished.exit_code == 3, finished.output
    exit_code, output = await skip(scene, 1)
    assert exit_code == 0, output
    await scene.run_until_end()
    assert await scene.rows("SELECT repeats FROM consumer_offsets WHERE partition = 0") == [(5,)]


async def test_a_batch_that_expands_too_much_is_skipped_and_verify_knows_it_by_any_limit(scene: Scene) -> None:
    # Given a batch of three events and one of a single event, which expand beyond the limit, between others,
    limit = {"AGENT_RUNS_MAX_DECOMPRESSED_BYTES": "100000"}
    settings: dict[str, str | int | bool] = {"compression.type": "zstd", "linger.ms": LINGER_MS}
    producer = foreign_producer(scene.servers.bootstrap_servers, **settings)
    publish(producer, scene.topic, events_of("run", "before"))
    for names, data_bytes in ((("a", "b", "c"), 50_000), (("d",), 150_000)):
        publish(producer, scene.topic, [Message(b"run", event(name, data="x" * data_bytes), 0) for name in names])
    publish(producer, scene.topic, events_of("run", "behind"))
    finished = await scene.command("run", "--until-end", **limit)
    assert "the record at offset 1 cannot be read: BatchTooLarge" in finished.output
    # when they are skipped,
    for offset in (1, 4):
        exit_code, output = await skip(scene, offset, max_bytes=100_000)
        assert exit_code == 0, output
    # then the partition continues, and verify finds the dead letter of each record, also where it can read them.
    await scene.run_until_end(**limit)
    assert await scene.event_ids("run") == ["before", "behind"]
    assert await scene.rows(ARITHMETIC) == [(True,)] * PARTITIONS
    for settings_of_verify in (limit, {}):
        verified = await scene.command("verify", "--topic", **settings_of_verify)
        assert verified.exit_code == 0, verified.output
    await scene.assert_consistent()


@pytest.mark.parametrize("loses_dead_letters", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_record_that_loses_the_connection_is_skipped_and_one_that_does_not_is_stored(
    scene: Scene, *, loses_dead_letters: bool
) -> None:
    # Given a server that ends the connection whenever a certain event is written, perhaps also as a dead letter,
    await scene.rows(LOSE_CONNECTION)
    await scene.rows(LOSE_EVENT)
    if loses_dead_letters:
        await scene.rows(LOSE_LETTER)
    await scene.publish(*events_of("run", "before", "poison", "behind"))
    finished = await scene.command("run", "--until-end")
    assert finished.exit_code == 3, finished.output
    assert "the connection to PostgreSQL is lost whenever the record at offset 1 is written" in finished.output
    # when it is skipped, then it is a dead letter, with its bytes if that is possible, and the partition continues.
    exit_code, output = await skip(scene, 1)
    assert exit_code == 0, output
    assert await scene.dead_letters() == [(1, "unreadable")]
    value = None if loses_dead_letters else event("poison")
    assert await scene.rows("SELECT value FROM dead_letters") == [(value,)]
    verified = await scene.command("verify", "--topic")
    assert verified.exit_code == 0, verified.output
    # A record that can be read and written is not skipped, but stored.
    exit_code, output = await skip(scene, 2)
    assert exit_code == 2, output
    assert "is stored now; nothing was skipped" in output
    assert await scene.event_ids("run") == ["before", "behind"]
    assert await scene.rows(ARITHMETIC) == [(True,)] * PARTITIONS


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [
        ("RAISE EXCEPTION 'no memory' USING ERRCODE = 'out_of_memory'", "exceeds a limit: no memory"),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", "the connection to PostgreSQL is lost"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'", ""),
    ],
)
async def test_a_record_that_exceeds_a_limit_is_skipped_and_one_that_an_object_refuses_is_not(
    scene: Scene, refusal: str, problem: str
) -> None:
    # Given a trigger that does this to a certain event,
    await scene.publish(*events_of("run", "before"))
    await scene.consume()
    await scene.publish(*events_of("run", "poison"))
    await scene.rows(LOSE_CONNECTION.replace("PERFORM pg_terminate_backend(pg_backend_pid())", refusal))
    await scene.rows(LOSE_EVENT)
    # when it is skipped, then it is a dead letter, unless the operator can remove the cause.
    if problem:
        assert problem in (await skip_in_this_process(scene, 1)).problem
    else:
        with pytest.raises(UsageError, match=r"change or drop the object .*lose_connection"):
            await skip_in_this_process(scene, 1)
    assert await scene.dead_letters() == [(1, "unreadable")][: bool(problem)]


async def test_a_record_for_which_the_process_has_too_little_memory_is_skipped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a process without the memory for any event,
    await scene.publish(*events_of("run", "before"))
    await scene.consume()
    await scene.publish(*events_of("run", "large"))
    monkeypatch.setattr(Transaction, "insert_events", raise_memory_error)
    # when the record is skipped, then it is a dead letter with its bytes.
    assert "too little memory" in (await skip_in_this_process(scene, 1)).problem
    assert await scene.rows("SELECT value FROM dead_letters") == [(event("large"),)]


async def raise_memory_error(*_: object) -> None:
    raise MemoryError


async def skip_in_this_process(scene: Scene, offset: int) -> Skipped:
    config = read_config(scene.environ())
    session = Session(lambda: Store.connect(config.database, scene.topic), config.database.timeout_s)
    try:
        return await skip_record(config, session, Decision(0, offset, "Ada", "ticket 4711"))
    finally:
        session.close()


def damage(segment: Path, text: bytes) -> None:
    """Change one byte in the middle of a text in a segment of a log; the broker reads the file for each fetch."""
    with segment.open("r+b") as file:
        file.seek(segment.read_bytes().index(text) + len(text) // 2)
        file.write(b"#")


def batch_bounds(segment: Path, number: int) -> tuple[int, int]:
    """Where the batch with this number, from 0, starts and ends in a segment."""
    data, start = segment.read_bytes(), 0
    for _ in range(number):
        start += 12 + int.from_bytes(data[start + 8 : start + 12], "big")
    return start, start + 12 + int.from_bytes(data[start + 8 : start + 12], "big")
