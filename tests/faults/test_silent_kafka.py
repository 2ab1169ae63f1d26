"""A Kafka that accepts connections and then stops answering: every command gives up, and `run` retries."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.ports import free_port
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import events_of
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.proxy.proxy import Api, KafkaProxy
from tests.support.scene import Scene
from tests.support.waiting import until

# On a busy machine, a command gives up before it sends the request that is not answered. Then it gets more time.
GIVE_UP_S = (1, 4, 16)
# With the start of the process, which takes seconds on a busy machine. The Kafka client itself waits 40 s.
ENDS_WITHIN_S = 30.0

CREATE = ("create-topic", "--partitions", "3")
VERIFY = ("verify", "--topic")
SHOW = ("offsets", "show")
ACCEPT = ("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
SKIP = ("offsets", "skip", "--partition", "0", "--offset", "1", "--by", "Ada", "--because", "ticket 4711")
UNTIL_END = ("run", "--until-end")

# The first kind of request that is not answered, and the commands that send it.
SILENT_AT = {
    Api.API_VERSIONS: (CREATE, VERIFY, SHOW, ACCEPT, SKIP, UNTIL_END),
    Api.METADATA: (CREATE, VERIFY, SHOW, ACCEPT, SKIP, UNTIL_END),
    Api.CREATE_TOPICS: (CREATE,),
    Api.DESCRIBE_CONFIGS: (CREATE, VERIFY, SHOW, ACCEPT, SKIP, UNTIL_END),
    Api.LIST_OFFSETS: (VERIFY, SHOW, ACCEPT, SKIP, UNTIL_END),
    Api.FIND_COORDINATOR: (UNTIL_END,),
    Api.JOIN_GROUP: (UNTIL_END,),
    Api.SYNC_GROUP: (UNTIL_END,),
    Api.FETCH: (VERIFY, SKIP, UNTIL_END),
}


@pytest.fixture
async def proxy(killable_kafka: ProxiedKafka) -> AsyncIterator[KafkaProxy]:
    """A proxy in front of the broker."""
    async with killable_kafka.proxy() as proxy:
        yield proxy


async def _gives_up(scene: Scene, proxy: KafkaProxy, command: tuple[str, ...], give_up_s: int) -> None:
    settings = {"AGENT_RUNS_GIVE_UP_S": str(give_up_s), "AGENT_RUNS_SHUTDOWN_TIMEOUT_S": "1"}
    settings |= {"KAFKA_BOOTSTRAP_SERVERS": proxy.address, "AGENT_RUNS_GROUP": scene.until_end_group}
    finished = await asyncio.wait_for(scene.command(*command, **settings), ENDS_WITHIN_S)
    assert finished.exit_code == 4, f"{command}:\n{finished.output}"


@pytest.mark.parametrize("request_kind", SILENT_AT, ids=lambda kind: kind.name.lower())
async def test_every_command_gives_up_when_a_request_is_not_answered(
    scene_on_killable_kafka: Scene, proxy: KafkaProxy, request_kind: Api
) -> None:
    scene = scene_on_killable_kafka
    # Given stored events and new ones, and a broker that stops answering at a kind of request,
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    await scene.publish(*events_of("run", "b"))
    proxy.silent_at = request_kind
    # when commands send such a request, then each ends with exit code 4.
    for give_up_s in GIVE_UP_S[request_kind is Api.FETCH :]:  # a fetch is a late step
        await asyncio.gather(*(_gives_up(scene, proxy, command, give_up_s) for command in SILENT_AT[request_kind]))
        if proxy.silenced:  # by each command on a quiet machine
            return
    raise AssertionError("no command has sent the request")


@pytest.mark.parametrize(
    "request_kind", [Api.API_VERSIONS, Api.LIST_OFFSETS, Api.JOIN_GROUP, Api.FETCH], ids=lambda kind: kind.name.lower()
)
async def test_run_is_unhealthy_while_a_broker_does_not_answer_and_continues_when_it_does(
    scene_on_killable_kafka: Scene, proxy: KafkaProxy, request_kind: Api
) -> None:
    scene, port = scene_on_killable_kafka, free_port()
    # Given a broker that does not answer a kind of request while a consumer starts,
    await scene.publish(*events_of("run", "a", "b"))
    proxy.silent_at = request_kind
    settings = {"KAFKA_BOOTSTRAP_SERVERS": proxy.address, "AGENT_RUNS_STALL_S": "1"}
    consumer = scene.start(**settings, AGENT_RUNS_HTTP_PORT=str(port))
    # when it has waited for an answer, then it is unhealthy.
    await until(lambda: proxy.silenced > 0, "the consumer waits for an answer")
    await wait_until_unhealthy(port, "")
    # When the broker answers again, then the consumer stores the events and is healthy.
    proxy.heal()
    await scene.wait_for_events("run", "a", "b")
    await wait_until_healthy(port)
    await consumer.terminate()
