"""`offsets show` prints the lag, the owner and the state of each partition, as a table or as JSON."""

import json
from typing import Any

from tests.support.foreign_producer import publish, transactional_producer
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import delete_records_before


async def shown(scene: Scene, **settings: str) -> dict[str, Any]:
    """The document of `offsets show --output json`. The command must succeed."""
    finished = await scene.command("offsets", "show", "--output", "json", **settings)
    assert finished.exit_code == 0, finished.output
    document: dict[str, Any] = json.loads(finished.output)
    return document


async def test_the_json_document_has_lag_owner_and_state_of_each_partition(make_scene: MakeScene) -> None:
    # Given a partition that is stored, one that a transaction blocks, one that has lost records, and one whose record
    # an added constraint refuses,
    scene = await make_scene(4)
    await scene.rows("ALTER TABLE run_events ADD CHECK (run_id <> 'four')")
    await scene.publish(*events_of("one", "a"), *events_of("three", "a", partition=2))
    await scene.consume()
    await scene.publish(*events_of("three", "b", "c", partition=2), *events_of("four", "a", partition=3))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 2, partition=2)
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    producer.begin_transaction()
    publish(producer, scene.topic, events_of("two", "a", partition=1))
    # and a consumer that owns all of them,
    consumer = scene.start()
    await consumer.wait_for_action("halted", times=2)
    # when they are shown, then the document has all that is known.
    document = await shown(scene, AGENT_RUNS_OPEN_TRANSACTION_S="0.001", AGENT_RUNS_STALL_S="0.001")
    stored, blocked, halted, stalled = document.pop("partitions")
    assert document.pop("read_at_ms") > 0
    assert document == {
        "topic": scene.topic,
        "group": scene.topic,
        "owners_known": True,
        "open_dead_letters": 0,
        "oldest_open_dead_letter_seconds": None,
    }
    owner = stored["owner"]
    assert (owner["client_id"], owner["host"]) == ("agent-runs-consumer", "127.0.0.1")
    assert stored == {
        "partition": 0,
        "log_start": 0,
        "stable_end": 1,
        "log_end": 1,
        "next_offset": 1,
        "repeats": 0,
        "lag_records": 0,
        "lag_seconds": 0.0,
        "state": "ok",
        "halt_reason": None,
        "owner": owner,
        "open_transaction": None,
    }
    assert (blocked["stable_end"], blocked["log_end"], blocked["lag_records"], blocked["owner"]) == (0, 1, 1, owner)
    transaction = blocked["open_transaction"]
    assert transaction.pop("open_seconds") == blocked["lag_seconds"] > 0
    assert transaction.pop("producer_id") >= 0
    assert transaction == {"start_offset": 0, "transactional_id": scene.topic, "epoch": 0}
    assert (halted["state"], halted["log_start"], halted["next_offset"], halted["lag_records"]) == ("halted", 2, 1, 1)
    assert "deleted by retention" in halted["halt_reason"]
    # The reason for the halt of the last one is not in the tables: its owner knows it.
    assert (blocked["state"], stalled["state"], stalled["lag_records"]) == ("ok", "stalled", 1)
    assert f"/healthz and the log of its owner, {owner['member_id']}" in stalled["halt_reason"]
    # The table shows the owner too, and names the transaction.
    table = (await scene.command("offsets", "show")).output
    assert table.count(owner["member_id"]) == 4
    assert table.count("ok") == 3  # the last partition has not stood still for AGENT_RUNS_STALL_S
    assert "partition 1: a transaction of" in table
    producer.abort_transaction()


async def test_without_a_consumer_no_partition_has_an_owner(scene: Scene) -> None:
    await scene.publish(*events_of("run", "a"))
    document = await shown(scene, AGENT_RUNS_STALL_S="0.001")

    (partition,) = document["partitions"]
    assert document["owners_known"] is True
    assert (partition["owner"], partition["next_offset"], partition["lag_records"]) == (None, None, 1)
    assert (partition["state"], partition["halt_reason"].endswith("start consumers")) == ("stalled", True)
