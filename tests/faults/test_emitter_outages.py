"""Kafka is down, unresponsive, or loses acknowledgements: accepted events arrive, and dropped events are recorded."""

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
from tests.support.agent_process import run_agent
from tests.support.ledgers.emitted import Arrivals, Ledger, in_log, in_tables
from tests.support.proxy.proxied_kafka import proxied_kafka
from tests.support.proxy.proxy import WriteFault
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, create_topic
from tests.support.waiting import until

KB = 1000
KILLS = 2
SENT_BEFORE_KILL = 200
BUSY_S = 30.0  # on a busy machine, a call that does not wait takes at most this long; the Kafka client waits 40 s


@pytest.fixture
def emitters() -> Iterator[list[Emitter]]:
    """A list of emitters, which are closed after the test without a wait."""
    made: list[Emitter] = []
    yield made
    for emitter in made:
        emitter.close(0)


def make(emitters: list[Emitter], bootstrap_servers: str, topic: str = "t", **options: Any) -> Emitter:
    settings = {"request_timeout_s": 1.0, "exit_timeout_s": 0.0, **options}
    emitters.append(Emitter(environ={}, bootstrap_servers=bootstrap_servers, topic=topic, **settings))
    return emitters[-1]


async def arrivals_in_log(bootstrap_servers: str, topic: str) -> Arrivals:
    return in_log(await asyncio.to_thread(read_log, bootstrap_servers, topic))


async def flush(emitter: Emitter, timeout_s: float = 60) -> int:
    return await asyncio.to_thread(emitter.flush, timeout_s)


def emit_events(emitter: Emitter, ledger: Ledger, runs: int, events_per_run: int, size: int = KB) -> None:
    """Emit events of `size` bytes; the runs take turns."""
    all_runs = [emitter.run(f"run-{number}") for number in range(runs)]
    for _ in range(events_per_run):
        for run in all_runs:
            ledger.emitted[run.id].append(run.tool_succeeded("t", os.urandom(size // 2).hex()))


class BackgroundLoad:
    """Threads that emit until the end of the block, and a thread that collects the difference between the counts."""

    def __init__(self, emitter: Emitter, threads: int = 4) -> None:
        self.ledger = Ledger()
        self.balances: set[int] = set()
        self._emitter = emitter
        self._over = Event()
        self._threads = [Thread(target=self._emit, args=(number,)) for number in range(threads)]
        self._threads.append(Thread(target=self._collect_balances))

    def _emit(self, number: int) -> None:
        run = self._emitter.run(f"load-{number}")
        while not self._over.is_set():
            self.ledger.emitted[run.id].append(run.input("t", "x" * 500))
            sleep(0.008)  # with four threads about 500 events a second

    def _collect_balances(self) -> None:
        while not self._over.is_set():
            stats = self._emitter.stats()
            self.balances.add(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
            sleep(0.001)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


async def test_events_emitted_while_the_broker_is_down_arrive_when_it_starts(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, emitters: list[Emitter], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a broker that is down,
    scene = scene_on_killable_kafka
    await asyncio.to_thread(killable_kafka.kill)
    # (A broker that is slow after its start must not make the emitter send events again.)
    emitter = make(emitters, killable_kafka.bootstrap_servers, scene.topic, request_timeout_s=30.0)
    ledger = Ledger()
    # when an agent emits, and the broker starts,
    began = perf_counter()
    emit_events(emitter, ledger, runs=20, events_per_run=50)
    assert perf_counter() - began < BUSY_S  # a thousand calls, none of which waits for Kafka
    assert await flush(emitter, 1) == 1000
    await asyncio.to_thread(killable_kafka.start)
    # then every event arrives, and one warning was logged.
    assert await flush(emitter) == 0
    arrivals = await arrivals_in_log(killable_kafka.bootstrap_servers, scene.topic)
    assert ledger.differences(arrivals) == []
    assert arrivals.repeats == 0
    assert emitter.stats() == Stats(emitted=1000, sent=1000, pending=0, dropped={}, recorded=0)
    assert [record.name for record in caplog.records if record.levelname == "WARNING"] == ["agent_runs"]


async def test_a_broker_killed_repeatedly_under_load_loses_nothing(
    scene_on_killable_kafka: Scene,
    killable_kafka: Kafka,
    emitters: list[Emitter],
    rng: Random,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given agents that emit, and a consumer,
    scene = scene_on_killable_kafka
    emitter = make(emitters, killable_kafka.bootstrap_servers, scene.topic)
    consumer = scene.start(AGENT_RUNS_BATCH_RECORDS="1000")  # the emitter is under test
    with BackgroundLoad(emitter) as load:
        # when the broker is killed and restarted,
        for _ in range(KILLS):
            before = emitter.stats().sent
            await until(lambda: emitter.stats().sent > before + SENT_BEFORE_KILL, "events arrive")  # noqa: B023
            await asyncio.sleep(rng.random() / 5)
            await asyncio.to_thread(killable_kafka.kill)
            await asyncio.to_thread(killable_kafka.start)
    assert await flush(emitter) == 0
    # then every event is in the log, in order, perhaps some twice,
    arrivals = await arrivals_in_log(killable_kafka.bootstrap_servers, scene.topic)
    assert load.ledger.differences(arrivals) == []
    emitted = load.ledger.size
    assert emitted > KILLS * SENT_BEFORE_KILL
    assert emitter.stats() == Stats(emitted=emitted, sent=emitted, pending=0, dropped={}, recorded=0)
    assert load.balances == {0}
    assert "KAFKA_SECURITY_PROTOCOL" not in caplog.text  # the broker has accepted the emitter before
    # and in the tables once.
    await scene.wait_until_drained()
    await consumer.terminate()
    stored = in_tables(await scene.tables())
    assert load.ledger.differences(stored) == []
    assert stored.repeats == arrivals.repeats
    await scene.assert_consistent()


async def test_the_emitter_reconnects_to_a_broker_that_stops_answering(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, emitters: list[Emitter]
) -> None:
    # Given a broker that accepts connections and answers nothing,
    scene = scene_on_killable_kafka
    emitter = make(emitters, killable_kafka.bootstrap_servers, scene.topic)
    assert killable_kafka.pid is not None
    with BackgroundLoad(emitter) as load:
        await until(lambda: emitter.stats().sent > 100, "events arrive")
        os.kill(killable_kafka.pid, SIGSTOP)
        try:
            sent = emitter.stats().sent
            await asyncio.sleep(4)  # longer than all timeouts of a request
            await until(lambda: emitter.stats().pending > 1000, "events wait")
            assert emitter.stats().sent <= sent + 500
        finally:
            os.kill(killable_kafka.pid, SIGCONT)
        # when it answers again,
        await until(lambda: emitter.stats().pending < 500, "the pending events are sent")
    assert await flush(emitter) == 0
    # then nothing is missing.
    arrivals = await arrivals_in_log(killable_kafka.bootstrap_servers, scene.topic)
    assert load.ledger.differences(arrivals) == []
    assert load.balances == {0}


async def test_a_server_that_never_answers_delays_no_call_beyond_its_timeout(emitters: list[Emitter]) -> None:
    # Given a server that accepts connections and never answers,
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        emitter, ledger = make(emitters, f"127.0.0.1:{server.getsockname()[1]}"), Ledger()
        # when an agent emits, flushes and closes,
        began = perf_counter()
        emit_events(emitter, ledger, runs=10, events_per_run=100)
        emitted = perf_counter()
        left = await flush(emitter, 0.5)
        flushed = perf_counter()
        left_at_the_end = await asyncio.to_thread(emitter.close, 2.5)
        closed = perf_counter()
    # then each call ends in time, and returns the number of pending events.
    assert emitted - began < BUSY_S
    assert 0.5 <= flushed - emitted < BUSY_S
    assert 2.5 <= closed - flushed < BUSY_S
    assert left == left_at_the_end == 1000
    assert emitter.stats() == Stats(emitted=1000, sent=0, pending=0, dropped={"given_up": 1000}, recorded=0)


async def test_a_full_queue_keeps_the_start_and_the_end_of_a_run(emitters: list[Emitter]) -> None:
    # Given a queue of 160 events, and no broker,
    emitter = make(emitters, "127.0.0.1:1", queue_events=160, queue_bytes=10_000_000)
    with emitter.start_run(agent_id="a") as run:
        for number in range(1000):
            run.input("t", number)
    # then the first events and the end of the run are kept, and the events in between are counted as dropped.
    stats = emitter.stats()
    assert stats == Stats(emitted=1002, sent=0, pending=151, dropped={"queue_full": 851}, recorded=0)


async def test_dropped_events_are_recorded_in_their_run_when_kafka_is_back(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, emitters: list[Emitter]
) -> None:
    # Given agents that emit more than the queue holds while the broker is down,
    scene = scene_on_killable_kafka
    await asyncio.to_thread(killable_kafka.kill)
    emitter = make(emitters, killable_kafka.bootstrap_servers, scene.topic, queue_bytes=500_000)
    ledger = Ledger()
    emit_events(emitter, ledger, runs=7, events_per_run=200)
    run = emitter.run("run-0")
    ledger.emitted["run-0"].append(run.run_completed())  # fits into the reserved part of the queue
    before = emitter.stats()
    assert before.dropped["queue_full"] > 500
    # when the broker starts, and the agents continue,
    await asyncio.to_thread(killable_kafka.start)
    assert await flush(emitter) == 0
    emit_events(emitter, ledger, runs=7, events_per_run=10)
    assert await asyncio.to_thread(emitter.close, 30) == 0
    # then every run has its first events, a marker with the number of missing events, and the last events,
    arrivals = await arrivals_in_log(killable_kafka.bootstrap_servers, scene.topic)
    assert ledger.differences(arrivals) == []
    dropped = before.dropped["queue_full"]
    assert arrivals.dropped_count == dropped
    assert emitter.stats() == Stats(
        emitted=1471, sent=1471 - dropped, pending=0, dropped={"queue_full": dropped}, recorded=dropped
    )
    # and the tables have the same.
    await scene.run_until_end()
    assert sum(row.dropped_events for row in (await scene.tables()).runs) == dropped


async def test_a_lost_acknowledgement_makes_repeats_in_the_log_and_one_row_in_the_tables(
    scene: Scene, emitters: list[Emitter], tmp_path: Path
) -> None:
    async with proxied_kafka(scene.topic) as (proxy, bootstrap_servers):
        # (With a short timeout, the emitter of a busy machine sends other batches again too. Here it need not expire:
        # the connection is cut.)
        emitter, ledger = make(emitters, bootstrap_servers, scene.topic, request_timeout_s=30.0), Ledger()
        # Given a connection, when the answer to one batch and the whole of the next one are lost,
        emit_events(emitter, ledger, runs=1, events_per_run=1)
        assert await flush(emitter) == 0
        for fault in (WriteFault.ANSWER_LOST, WriteFault.REQUEST_LOST):
            proxy.next_write_faults.append(fault)
            emit_events(emitter, ledger, runs=1, events_per_run=5)
            assert await flush(emitter) == 0
            assert not proxy.next_write_faults
        # then both are sent again: the events of the first one are in the log twice,
        arrivals = await arrivals_in_log(bootstrap_servers, scene.topic)
        assert ledger.differences(arrivals) == []
        assert 1 <= arrivals.repeats <= 5
        assert emitter.stats() == Stats(emitted=11, sent=11, pending=0, dropped={}, recorded=0)
        # and in the tables once.
        await consume_from(scene, bootstrap_servers)
        stored = in_tables(await scene.tables())
        assert ledger.differences(stored) == []
        assert stored.repeats == arrivals.repeats


class Listeners(NamedTuple):
    """The addresses of one broker, without and with authentication."""

    plaintext: str
    sasl: str


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    """A broker that creates a missing topic when a client asks for it."""
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
        yield Listeners(kafka.bootstrap_servers, f"{HOST}:{secured}")
        kafka.kill()


async def test_the_emitter_does_not_create_a_missing_topic(listeners: Listeners, emitters: list[Emitter]) -> None:
    # Given a broker that creates missing topics with its defaults,
    emitter = make(emitters, listeners.plaintext, "not-there")
    emitter.run("r").run_completed()
    # when an emitter has events for a missing topic, then they wait, and the topic is still missing.
    assert await flush(emitter, 3) == 1
    await create_topic(listeners.plaintext, "not-there", 1, LOG_APPEND_TIME)
    assert await flush(emitter) == 0


async def test_credentials_are_used_and_wrong_ones_are_logged(
    listeners: Listeners, emitters: list[Emitter], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    await create_topic(listeners.plaintext, "secured", 1, LOG_APPEND_TIME)
    who = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "agent"}
    right = make(emitters, listeners.sasl, "secured", **who, sasl_password="open sesame")
    wrong = make(emitters, listeners.sasl, "secured", **who, sasl_password="please")
    incomplete = make(emitters, listeners.sasl, "secured", security_protocol="SASL_PLAINTEXT")
    for emitter in (right, wrong, incomplete):
        emitter.run("r").run_completed()

    assert await flush(right) == 0
    await until(lambda: "Authentication failed: Invalid username or password" in caplog.text, "the refusal is logged")
    assert await flush(wrong, 0.1) == 1
    assert incomplete.stats().dropped == {"not_configured": 1}
    assert "KAFKA_SASL_PASSWORD: KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs both" in caplog.text
    # This also works at the end of a program, when no thread can be started to check the password.
    environment = {"KAFKA_BOOTSTRAP_SERVERS": listeners.sasl, "AGENT_RUNS_TOPIC": "secured"}
    credentials = {"KAFKA_SASL_USERNAME": "agent", "KAFKA_SASL_PASSWORD": "open sesame"}
    protocol = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "AGENT_RUNS_EXIT_TIMEOUT_S": "60"}
    result = await run_agent(("emit(Emitter().run('r'), 1)",), tmp_path, **environment, **credentials, **protocol)
    assert (result.exit_code, result.errors) == (0, "")
    arrivals = await arrivals_in_log(listeners.plaintext, "secured")
    assert [arrival.id for arrival in arrivals.runs["r"]][-1:] == result.ledger.emitted["r"]
    assert "open sesame" not in caplog.text
    assert "please" not in caplog.text


async def consume_from(scene: Scene, bootstrap_servers: str) -> None:
    consumer = scene.start("--until-end", KAFKA_BOOTSTRAP_SERVERS=bootstrap_servers)
    assert await consumer.wait_for_exit() == 0, consumer.output
