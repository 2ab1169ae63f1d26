"""The offsets committed to Kafka are for lag tools: they are correct, and the service never reads them."""

from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import committed_offsets
from tests.support.waiting import until


async def test_after_a_run_kafka_has_the_offsets_of_the_tables(make_scene: MakeScene) -> None:
    # Given a topic with records in two of its three partitions, when it is consumed to its end,
    scene = await make_scene(3)
    await scene.publish(*events_of("one", "a", "b"), *events_of("two", "a", partition=1))
    await scene.consume()
    # then a lag tool sees what is stored.
    stored = dict(await scene.rows("SELECT partition, next_offset FROM consumer_offsets"))
    assert (
        await committed_offsets(scene.servers.bootstrap_servers, scene.until_end_group) == stored == {0: 2, 1: 1, 2: 0}
    )


async def test_a_consumer_of_an_empty_topic_commits_its_offsets_at_once(make_scene: MakeScene) -> None:
    # Given an empty topic, when a consumer starts,
    scene = await make_scene(2)
    consumer = scene.start()

    async def are_committed() -> bool:
        return await committed_offsets(scene.servers.bootstrap_servers, scene.topic) == {0: 0, 1: 0}

    # then a lag tool sees a consumer without lag, instead of no consumer.
    await until(are_committed, "the offsets are committed")
    await consumer.terminate()


async def test_offsets_committed_to_kafka_are_not_read(scene: Scene) -> None:
    # Given a consumed topic, and a database that has lost its offsets while Kafka has not,
    await scene.publish(*events_of("run", "a", "b"))
    await scene.consume()
    await scene.rows("TRUNCATE agent_runs, run_events, consumer_offsets")
    assert await committed_offsets(scene.servers.bootstrap_servers, scene.until_end_group) == {0: 2}
    # when the same group consumes, then it starts where the tables say: at the beginning.
    await scene.consume()
    assert await scene.event_ids("run") == ["a", "b"]
