"""When the log no longer has the next record, the partition halts until an operator accepts the loss."""

import pytest

from consumer.errors import ConnectionLost, OperatorNeeded
from consumer.partitions.offsets_commands import accept_loss
from consumer.postgres.session import PatientSession
from consumer.postgres.store import Row, Store
from consumer.settings import read_config
from tests.support.foreign_producer import publish, transactional_producer
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import delete_records_before, recreate_topic, set_partitions
from tests.support.snapshots import snapshot


async def _recreated(scene: Scene, records: int) -> None:
    """Store three records of a topic, which then is recreated with this many other records."""
    await scene.publish(*events_of("run", "a", "b", "c"))
    await scene.consume()
    await recreate_topic(scene.servers.bootstrap_servers, scene.topic)
    await scene.publish(*events_of("run", *(f"new-{number}" for number in range(records))))


@pytest.mark.parametrize(
    ("records", "reason"),
    [(1, "before the stored offset 3"), (5, "the record stored from offset 2 is no longer in the log")],
)
async def test_a_recreated_topic_halts_its_partition_with_the_reason(scene: Scene, records: int, reason: str) -> None:
    # Given a topic that was recreated, with fewer records than were stored, or with more,
    await _recreated(scene, records)
    before = await snapshot(scene.database)
    # when the service reads to the end, then it needs an operator,
    finished = await scene.command("run", "--until-end")
    assert finished.exit_code == 3
    assert reason in finished.output
    # stores nothing,
    assert await snapshot(scene.database) == before
    # and `offsets show` gives the reason and the remedy.
    shown = await scene.command("offsets", "show")
    assert shown.exit_code == 0
    assert reason in shown.output
    assert "accept-loss --partition N --by NAME" in shown.output


async def test_a_recreated_topic_is_recognised_where_the_stored_offset_has_no_record(scene: Scene) -> None:
    # Given a topic recreated by a transactional producer, with a marker at the offset of the last stored record,
    await _recreated(scene, records=0)
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    for transaction in (events_of("run", "new-0", "new-1"), events_of("run", "new-2")):
        producer.begin_transaction()
        publish(producer, scene.topic, transaction)
        producer.commit_transaction()
    # when the service reads to the end, then it does not take the new log for the old one.
    with pytest.raises(OperatorNeeded, match="stored from offset 2 is no longer"):
        await scene.consume()
    assert await scene.event_ids("run") == ["a", "b", "c"]


async def test_other_partitions_continue_when_one_halts(make_scene: MakeScene) -> None:
    # Given a partition from which retention deleted records that were not stored, and another one,
    scene = await make_scene(2)
    await scene.publish(*events_of("one", "a"), *events_of("two", "a", partition=1))
    await scene.consume()
    await scene.publish(*events_of("one", "b", "c", "d"), *events_of("two", "b", "c", partition=1))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 3)
    # when the service reads to the end, then it finishes the other partition before it fails.
    with pytest.raises(OperatorNeeded, match=r"^partition 0: the log begins at offset 3: the records from offset 1 "):
        await scene.consume()
    assert await scene.event_ids("one") == ["a"]
    assert await scene.event_ids("two") == ["a", "b", "c"]


async def test_an_accepted_loss_is_recorded_and_consumption_continues(scene: Scene) -> None:
    # Given a partition that lost two records to retention,
    await scene.publish(*events_of("run", "a", "b", "c", "d"))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 1)
    await scene.consume()
    await scene.publish(*events_of("run", "lost", "lost too", "kept"))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 6)
    before = await scene.rows("SELECT first_offset, next_offset, last_offset, last_timestamp FROM consumer_offsets")
    assert before[0][:3] == (1, 4, 3)
    # when an operator accepts the loss,
    accepted = await scene.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    assert accepted.exit_code == 0, accepted.output
    # then the operator and the lost offsets are recorded,
    losses = (
        "SELECT first_offset, next_offset, last_offset, last_timestamp, resumed_at, accepted_by FROM accepted_losses"
    )
    assert await scene.rows(losses) == [(*before[0], 6, "Ada")]
    assert "the log begins at offset 6" in str(await scene.rows("SELECT reason FROM accepted_losses"))
    # and consumption continues at the log's beginning.
    await scene.consume()
    assert await scene.event_ids("run") == ["b", "c", "d", "kept"]
    assert await scene.rows("SELECT first_offset, next_offset FROM consumer_offsets") == [(6, 7)]


class AnswerLost(Store):
    """Loses its connection after the next loss was accepted, before the answer arrives."""

    accepted = 0

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        rows = await super().fetch(query, *parameters)
        if query == "accept_loss" and not AnswerLost.accepted:
            AnswerLost.accepted = len(rows)
            self.terminate()
            raise ConnectionLost("the answer was lost")
        return rows


async def test_a_loss_that_is_accepted_although_the_answer_is_lost_counts_as_accepted(scene: Scene) -> None:
    # Given a partition that lost a record to retention,
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    await scene.publish(*events_of("run", "lost", "kept"))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 2)
    # when its loss is accepted and the answer is lost,
    config = read_config(scene.environ())
    session = PatientSession(lambda: AnswerLost.connect(config.database, scene.topic), 10, 10)
    before = await accept_loss(config, session, 0, "Ada")
    # then the loss is recorded once, and the command succeeds.
    assert (before.partition, AnswerLost.accepted) == (0, 1)
    assert await scene.rows("SELECT next_offset, resumed_at, accepted_by FROM accepted_losses") == [(1, 2, "Ada")]
    session.close()


async def test_a_recreated_topic_is_consumed_from_its_beginning_once_the_loss_is_accepted(scene: Scene) -> None:
    # Given a recreated topic with records at offsets that were stored before,
    await _recreated(scene, records=5)
    # when an operator accepts the loss,
    await scene.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    await scene.consume()
    # then the new log is consumed from its beginning, and its events follow those that the runs had.
    assert await scene.event_ids("run") == ["a", "b", "c", *(f"new-{number}" for number in range(5))]
    assert await scene.rows("SELECT first_offset, next_offset FROM consumer_offsets") == [(0, 5)]


async def test_a_loss_can_be_accepted_only_where_something_was_lost(scene: Scene) -> None:
    # Given a partition that has lost nothing,
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    before = await snapshot(scene.database)
    # when an operator accepts its loss, or that of a missing partition, then the command refuses.
    for partition, reason in (("0", "has lost nothing"), ("7", "has no partition 7")):
        refused = await scene.command("offsets", "accept-loss", "--partition", partition, "--by", "Ada")
        assert (refused.exit_code, reason in refused.output) == (2, True), refused.output
    assert await snapshot(scene.database) == before


async def test_retention_of_stored_records_is_not_a_loss(scene: Scene) -> None:
    # Given a log from which retention deleted only stored records, the last one included,
    await scene.publish(*events_of("run", "a", "b"))
    await scene.consume()
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 2)
    await scene.publish(*events_of("run", "c"))
    # when consumption continues, then nothing halts.
    await scene.consume()
    assert await scene.event_ids("run") == ["a", "b", "c"]


async def test_added_partitions_are_consumed_from_their_beginning_with_a_warning(scene: Scene) -> None:
    # Given a topic that got a second partition, with records, after the first was consumed,
    await scene.publish(*events_of("one", "a"))
    await scene.consume()
    await set_partitions(scene.servers.bootstrap_servers, scene.topic, 2)
    await scene.publish(*events_of("two", "a", "b", partition=1))
    # when the service reads to the end,
    finished = await scene.command("run", "--until-end")
    # then it stores them, and warns that runs are now split over partitions.
    assert finished.exit_code == 0
    assert "partitions_added" in finished.output
    assert await scene.event_ids("two") == ["a", "b"]
