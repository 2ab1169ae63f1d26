"""Kafka is away, mute or forgetful, and no agent notices: what is accepted arrives, what is not is recorded."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any, NamedTuple, Self

import pytest

from agent_runs import Emitter
from agent_runs.emitter.stats import Stats
from deploy.local import Kafka
from deploy.local.ports import HOST, free_port
from tests.checker import read_log
from tests.support.agent_process import run
from tests.support.ledgers.emitted import Found, Ledger, in_log, in_tables
from tests.support.proxy.proxied_kafka import wired_kafka
from tests.support.proxy.proxy import Fate
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, create_topic
from tests.support.waiting import until

KB = 1000
KILLS = 2


@pytest.fixture
def emitters() -> Iterator[list[Emitter]]:
    """Whatever is put here is closed after the test, without waiting for anything."""
    made: list[Emitter] = []
    yield made
    for emitter in made:
        emitter.close(0)


def make(emitters: list[Emitter], bootstrap_servers: str, topic: str = "t", **options: Any) -> Emitter:
    settings = {"request_timeout_s": 1.0, "exit_timeout_s": 0.0, **options}
    emitters.append(Emitter(environ={}, bootstrap_servers=bootstrap_servers, topic=topic, **settings))
    return emitters[-1]


async def found_in_log(bootstrap_servers: str, topic: str) -> Found:
    return in_log(await asyncio.to_thread(read_log, bootstrap_servers, topic))


async def flush(emitter: Emitter, timeout_s: float = 30) -> int:
    return await asyncio.to_thread(emitter.flush, timeout_s)


def speak(emitter: Emitter, ledger: Ledger, runs: int, events: int, size: int = KB) -> None:
    """Every run says so many events, in turns."""
    voices = [emitter.run(f"run-{number}") for number in range(runs)]
    for _ in range(events):
        for voice in voices:
            ledger.said[voice.id].append(voice.tool_succeeded("t", os.urandom(size // 2).hex()))


class Talker:
    """Threads that emit all the while, and one that checks the balance."""

    def __init__(self, emitter: Emitter, threads: int = 4) -> None:
        self.ledger = Ledger()
        self.balances: set[int] = set()
        self._emitter = emitter
        self._over = Event()
        self._threads = [Thread(target=self._talk, args=(number,)) for number in range(threads)]
        self._threads.append(Thread(target=self._weigh))

    def _talk(self, number: int) -> None:
        run = self._emitter.run(f"talker-{number}")
        while not self._over.is_set():
            self.ledger.said[run.id].append(run.input("t", "x" * 500))
            sleep(0.002)

    def _weigh(self) -> None:
        while not self._over.is_set():
            stats = self._emitter.stats()
            self.balances.add(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
            sleep(0.0001)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


async def test_a_broker_that_is_down_at_the_start_gets_everything_once_it_is_up(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, emitters: list[Emitter], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a broker that is down,
    scene = scene_of_mortal_kafka
    await asyncio.to_thread(mortal_kafka.kill)
    emitter, ledger = make(emitters, mortal_kafka.bootstrap_servers, scene.topic), Ledger()
    # when agents emit, and it comes up,
    began = perf_counter()
    speak(emitter, ledger, runs=20, events=50)
    assert perf_counter() - began < 5  # a thousand calls, none of which waited for anything
    assert await flush(emitter, 1) == 1000
    await asyncio.to_thread(mortal_kafka.start)
    # then everything arrives, and the outage was told once.
    assert await flush(emitter) == 0
    found = await found_in_log(mortal_kafka.bootstrap_servers, scene.topic)
    assert ledger.differences(found) == []
    assert found.repeats == 0
    assert emitter.stats() == Stats(emitted=1000, sent=1000, pending=0, dropped={}, recorded=0)
    assert [record.name for record in caplog.records if record.levelname == "WARNING"] == ["agent_runs"]


async def test_a_broker_killed_again_and_again_under_load_costs_nothing(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, emitters: list[Emitter], rng: Random
) -> None:
    # Given agents that emit all the while, and a consumer,
    scene = scene_of_mortal_kafka
    emitter = make(emitters, mortal_kafka.bootstrap_servers, scene.topic)
    consumer = scene.start()
    with Talker(emitter) as talker:
        # when the broker is killed under them and comes back,
        for _ in range(KILLS):
            before = emitter.stats().sent
            await until(lambda: emitter.stats().sent > before + 200, "events arrive")  # noqa: B023
            await asyncio.sleep(rng.random() / 5)
            await asyncio.to_thread(mortal_kafka.kill)
            await asyncio.to_thread(mortal_kafka.start)
    assert await flush(emitter) == 0
    # then what was said is in the log, in order, perhaps some of it twice,
    found = await found_in_log(mortal_kafka.bootstrap_servers, scene.topic)
    assert talker.ledger.differences(found) == []
    said = talker.ledger.size
    assert said > 1000
    assert emitter.stats() == Stats(emitted=said, sent=said, pending=0, dropped={}, recorded=0)
    assert talker.balances == {0}
    # and in the tables once.
    await scene.drained()
    await consumer.terminated()
    stored = in_tables(await scene.tables())
    assert talker.ledger.differences(stored) == []
    assert stored.repeats == found.repeats
    await scene.assert_in_order()


async def test_a_broker_that_stops_answering_is_left_for_a_new_connection(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, emitters: list[Emitter]
) -> None:
    # Given a broker that accepts connections and answers nothing,
    scene = scene_of_mortal_kafka
    emitter = make(emitters, mortal_kafka.bootstrap_servers, scene.topic)
    assert mortal_kafka.pid is not None
    with Talker(emitter) as talker:
        await until(lambda: emitter.stats().sent > 100, "events arrive")
        os.kill(mortal_kafka.pid, SIGSTOP)
        try:
            sent = emitter.stats().sent
            await asyncio.sleep(4)  # for longer than an answer is waited for
            assert emitter.stats().pending > 1000
            assert emitter.stats().sent <= sent + 500
        finally:
            os.kill(mortal_kafka.pid, SIGCONT)
        # when it answers again,
        await until(lambda: emitter.stats().pending < 500, "it catches up")
    assert await flush(emitter) == 0
    # then nothing is missing.
    found = await found_in_log(mortal_kafka.bootstrap_servers, scene.topic)
    assert talker.ledger.differences(found) == []
    assert talker.balances == {0}


async def test_a_black_hole_costs_an_agent_nothing(emitters: list[Emitter]) -> None:
    # Given something that takes connections and never says a word,
    with socket.create_server(("127.0.0.1", 0), backlog=100) as hole:
        emitter, ledger = make(emitters, f"127.0.0.1:{hole.getsockname()[1]}"), Ledger()
        # when agents emit, flush and close,
        began = perf_counter()
        speak(emitter, ledger, runs=10, events=100)
        emitted = perf_counter()
        left = await flush(emitter, 0.5)
        flushed = perf_counter()
        left_at_the_end = await asyncio.to_thread(emitter.close, 2.5)
        closed = perf_counter()
    # then each takes no longer than it may, and says what is left.
    assert emitted - began < 5
    assert 0.5 <= flushed - emitted < 5
    assert 2.5 <= closed - flushed < 8
    assert left == left_at_the_end == 1000
    assert emitter.stats() == Stats(emitted=1000, sent=0, pending=0, dropped={"given_up": 1000}, recorded=0)


async def test_without_kafka_for_ever_a_run_keeps_its_beginning_and_its_end(emitters: list[Emitter]) -> None:
    # Given a queue of 100 events, and nobody who takes them,
    emitter = make(emitters, "127.0.0.1:1", queue_events=160, queue_bytes=10_000_000)
    with emitter.start_run(agent_id="a") as run:
        for number in range(1000):
            run.input("t", number)
    # then what came first is kept, and the end of the run too; all that lies between is counted.
    stats = emitter.stats()
    assert stats == Stats(emitted=1002, sent=0, pending=151, dropped={"queue_full": 851}, recorded=0)


async def test_a_hole_is_recorded_in_its_run_when_kafka_is_back(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, emitters: list[Emitter]
) -> None:
    # Given agents that say more than the queue holds while the broker is down,
    scene = scene_of_mortal_kafka
    await asyncio.to_thread(mortal_kafka.kill)
    emitter = make(emitters, mortal_kafka.bootstrap_servers, scene.topic, queue_bytes=500_000)
    ledger = Ledger()
    speak(emitter, ledger, runs=7, events=200)
    run = emitter.run("run-0")
    ledger.said["run-0"].append(run.run_completed())  # there is room kept for this
    before = emitter.stats()
    assert before.dropped["queue_full"] > 500
    # when it comes up, and they go on,
    await asyncio.to_thread(mortal_kafka.start)
    assert await flush(emitter) == 0
    speak(emitter, ledger, runs=7, events=10)
    assert await asyncio.to_thread(emitter.close, 30) == 0
    # then every run has its beginning, a marker of exactly what is missing, and the rest,
    found = await found_in_log(mortal_kafka.bootstrap_servers, scene.topic)
    assert ledger.differences(found) == []
    dropped = before.dropped["queue_full"]
    assert found.admitted == dropped
    assert emitter.stats() == Stats(
        emitted=1471, sent=1471 - dropped, pending=0, dropped={"queue_full": dropped}, recorded=dropped
    )
    # and the tables know it.
    await scene.consume()
    assert sum(row.dropped_events for row in (await scene.tables()).runs) == dropped


async def test_an_acknowledgement_that_is_lost_makes_a_repeat_in_the_log_and_one_row_in_the_tables(
    scene: Scene, emitters: list[Emitter], tmp_path: Path
) -> None:
    async with wired_kafka(scene.topic) as (proxy, bootstrap_servers):
        emitter, ledger = make(emitters, bootstrap_servers, scene.topic), Ledger()
        # Given a first event that made the connection, when the answers to the next two batches are lost,
        speak(emitter, ledger, runs=1, events=1)
        assert await flush(emitter) == 0
        for fate in (Fate.ANSWER_IS_LOST, Fate.NEVER_ARRIVES):
            proxy.fates.append(fate)
            speak(emitter, ledger, runs=1, events=5)
            assert await flush(emitter) == 0
            assert not proxy.fates
        # then they were sent again: those that had arrived are there twice,
        found = await found_in_log(bootstrap_servers, scene.topic)
        assert ledger.differences(found) == []
        assert 1 <= found.repeats <= 5
        assert emitter.stats() == Stats(emitted=11, sent=11, pending=0, dropped={}, recorded=0)
        # and stored once.
        await consume_from(scene, bootstrap_servers)
        stored = in_tables(await scene.tables())
        assert ledger.differences(stored) == []
        assert stored.repeats == found.repeats


class Doors(NamedTuple):
    """Addresses of one broker: one for everybody, one with a password."""

    open: str
    secured: str


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """A broker that makes a topic for whoever asks for one."""
    plain, secured, controller = free_port(), free_port(), free_port()
    properties = {
        "auto.create.topics.enable": "true",
        "listeners": f"PLAINTEXT://{HOST}:{plain},SASL_PLAINTEXT://{HOST}:{secured},CONTROLLER://{HOST}:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
            'org.apache.kafka.common.security.plain.PlainLoginModule required user_agent="open sesame";'
        ),
    }
    with ExitStack() as opened:
        directory = opened.enter_context(TemporaryDirectory(prefix="agent-runs-tests-"))
        kafka = opened.enter_context(Kafka(Path(directory), plain, properties, fast_start=True))
        yield Doors(kafka.bootstrap_servers, f"{HOST}:{secured}")
        kafka.kill()


async def test_a_missing_topic_is_not_made_by_asking_for_it(doors: Doors, emitters: list[Emitter]) -> None:
    # Given a broker that would make it, with defaults that nobody has thought about,
    emitter = make(emitters, doors.open, "not-there")
    emitter.run("r").run_completed()
    # when an emitter has events for a topic that is missing, then they wait, and it stays missing.
    assert await flush(emitter, 3) == 1
    await create_topic(doors.open, "not-there", 1, LOG_APPEND_TIME)
    assert await flush(emitter) == 0


async def test_credentials_are_used_and_wrong_ones_are_told(
    doors: Doors, emitters: list[Emitter], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    await create_topic(doors.open, "secured", 1, LOG_APPEND_TIME)
    who = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "agent"}
    right = make(emitters, doors.secured, "secured", **who, sasl_password="open sesame")
    wrong = make(emitters, doors.secured, "secured", **who, sasl_password="please")
    nobody = make(emitters, doors.secured, "secured", security_protocol="SASL_PLAINTEXT")
    for emitter in (right, wrong, nobody):
        emitter.run("r").run_completed()

    assert await flush(right) == 0
    assert await flush(wrong, 2) == 1
    assert "Authentication failed: Invalid username or password" in caplog.text
    assert nobody.stats().dropped == {"not_configured": 1}
    assert "KAFKA_SASL_PASSWORD: KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs both" in caplog.text
    # At the end of a program too, when no thread can be started to check the password.
    environment = {"KAFKA_BOOTSTRAP_SERVERS": doors.secured, "AGENT_RUNS_TOPIC": "secured"}
    credentials = {"KAFKA_SASL_USERNAME": "agent", "KAFKA_SASL_PASSWORD": "open sesame"}
    protocol = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    ended = await run(("say(Emitter().run('r'), 1)",), tmp_path, **environment, **credentials, **protocol)
    assert (ended.exit_code, ended.errors) == (0, "")
    found = await found_in_log(doors.open, "secured")
    assert [arrival.id for arrival in found.runs["r"]][-1:] == ended.ledger.said["r"]
    assert "open sesame" not in caplog.text
    assert "please" not in caplog.text


async def consume_from(scene: Scene, bootstrap_servers: str) -> None:
    consumer = scene.start("--until-end", KAFKA_BOOTSTRAP_SERVERS=bootstrap_servers)
    assert await consumer.ended() == 0, consumer.output
