"""The emitter's log lines: what an outage has cost, what is left at the end, and one line for one cause."""

import logging
from threading import get_ident
from typing import Any

import pytest

import agent_runs
from agent_runs import Emitter
from agent_runs.emitter import delivery_state
from agent_runs.emitter.delivery_state import DeliveryState
from agent_runs.emitter.drops import DropReason
from agent_runs.emitter.pending import describe_pending
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.settings import Config, EmitterSettings
from agent_runs.errors import KafkaUnavailable
from agent_runs.run_file.publish import publish
from agent_runs.settings import KafkaSettings
from agent_runs.testing import RecordingEmitter
from tests.support.builders import message

CONFIG = Config(kafka=KafkaSettings(bootstrap_servers="h"), emitter=EmitterSettings())


def record(run: str = "r", event_type: str = "input") -> Record:
    return Record(run.encode(), message(event_type))


@pytest.mark.usefixtures("own_logs")
def test_the_end_of_an_outage_is_logged_with_its_duration_and_counts(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = 100.0
    monkeypatch.setattr(delivery_state, "monotonic", lambda: now)
    state = DeliveryState(SendQueue(10**9, 10**9), CONFIG)
    state.queue.drop(b"r", DropReason.INVALID)
    for _ in range(3):
        state.queue.offer(record())
    taken = state.queue.take()

    state.log_failure("no broker")
    state.queue.drop(b"r", DropReason.INVALID)
    now += 2.5
    state.log_failure("another reason")
    now += 10.0
    state.acknowledge(taken[:2])
    state.acknowledge(taken[2:])

    *_, last = [line.getMessage() for line in caplog.records]
    assert last == "Kafka accepts events again after 12.5 s; 2 events are pending, and 1 were dropped meanwhile"
    assert len(caplog.records) == 3


def test_the_unacknowledged_records_are_those_of_the_session_and_of_the_queue() -> None:
    state = DeliveryState(SendQueue(10**9, 10**9), CONFIG)
    backlog, in_flight, waiting = record("backlog"), record("in flight"), record("waiting")
    state.queue.offer(waiting)
    state.backlog = [backlog]
    assert state.unacknowledged() == [backlog, waiting]

    state.in_flight = lambda: [in_flight]
    assert state.unacknowledged() == [in_flight, waiting]


def test_pending_events_are_described_by_run_and_type() -> None:
    marker = Record(b"r", message("events_dropped"), dropped_count=1)
    records = [record("a"), marker, record("b", "llm_called"), record("b"), record("b")]

    assert describe_pending(records) == "3 of run 'b' (2 input, llm_called), 1 of run 'a' (input)"
    assert describe_pending([marker]) == ""


def test_the_description_of_pending_events_is_bounded() -> None:
    records = [record(f"run-{number}", f"type-{kind}") for number in range(9) for kind in range(number)]

    assert describe_pending(records) == (
        "8 of run 'run-8' (type-0, type-1, type-2, type-3, …), 7 of run 'run-7' (type-0, type-1, type-2, type-3, …), "
        "6 of run 'run-6' (type-0, type-1, type-2, type-3, …), 15 of 5 other runs"
    )


@pytest.mark.usefixtures("own_logs")
def test_an_emitter_without_settings_logs_one_error_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    emitter = Emitter(environ={})
    for _ in range(3):
        emitter.run("r").run_completed()

    assert [line.levelname for line in caplog.records] == ["ERROR"]
    assert emitter.stats().dropped == {"not_configured": 3}


def test_the_names_of_the_library_are_listed_and_exist() -> None:
    assert set(agent_runs.__all__) <= set(dir(agent_runs))
    assert all(getattr(agent_runs, name) is not None for name in agent_runs.__all__)
    assert agent_runs.__version__.count(".") == 2


def test_the_status_of_the_only_run_needs_no_id() -> None:
    emitter: Any = RecordingEmitter()
    with pytest.raises(LookupError, match="name one of the runs"):
        emitter.status()
    emitter.start_run(agent_id="a", run_id="one").run_waiting()
    assert emitter.status() == emitter.status("one") == "waiting"
    emitter.start_run(agent_id="a", run_id="two")
    with pytest.raises(LookupError, match="one"):
        emitter.status()


async def test_the_application_s_own_clients_log_again_after_a_publish(caplog: pytest.LogCaptureFixture) -> None:
    config = Config(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), emitter=EmitterSettings(request_timeout_s=0.1)
    )

    def of_this_thread() -> list[str]:
        return [
            line.getMessage()
            for line in caplog.records
            if line.name.startswith("aiokafka") and line.thread == get_ident()
        ]

    # Given a publish in this thread, in which aiokafka cannot connect,
    with pytest.raises(KafkaUnavailable):
        await publish(config, "run", [message("input")])
    assert of_this_thread() == []
    # when a client of the application logs, then its line is shown.
    logging.getLogger("aiokafka.conn").warning("of another client")
    assert of_this_thread() == ["of another client"]
