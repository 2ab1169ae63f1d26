import logging
import math
import os
import signal
import sys
from collections import UserDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from functools import partial
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

from agent_runs.codec.encode import encode_event
from agent_runs.events import Input
from agent_runs.signal_safety import reraise_from_signal_handler
from agent_runs.testing import RecordingEmitter

AT = datetime(2026, 1, 1, tzinfo=UTC)


class TooLate(Exception):
    pass


def strike(*_: object) -> None:
    raise_too_late()


def raise_too_late() -> None:
    raise TooLate


class Handlers:
    def method(self, *_: object) -> None:
        raise TooLate

    def __call__(self, *_: object) -> None:
        raise TooLate


@pytest.fixture(autouse=True)
def _handler_stays() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def catch(action: Callable[[], object]) -> Exception | None:
    """What is caught by one who passes alarms on."""
    try:
        action()
    except Exception as error:  # noqa: BLE001
        reraise_from_signal_handler(error)
        return error
    return None


HANDLERS: list[Any] = [
    strike,
    Handlers().method,
    Handlers(),
    partial(strike, "more"),
]


@pytest.mark.parametrize("handler", HANDLERS, ids=["function", "method", "object", "partial"])
def test_what_a_signal_handler_raises_passes(handler: Any) -> None:
    signal.signal(signal.SIGUSR1, handler)

    with pytest.raises(TooLate):
        catch(lambda: signal.raise_signal(signal.SIGUSR1))


def test_what_anybody_else_raises_is_caught() -> None:
    signal.signal(signal.SIGUSR1, strike)

    assert isinstance(catch(raise_too_late), TooLate)
    assert isinstance(catch(lambda: int("x")), ValueError)
    # Looking for a member of an enum is what the default handlers, members of one, would do if they were called.
    assert isinstance(catch(lambda: signal.Signals(1000)), ValueError)


def test_a_thread_other_than_the_main_one_handles_no_signals() -> None:
    signal.signal(signal.SIGUSR1, strike)
    caught: list[Exception | None] = []

    thread = Thread(target=lambda: caught.append(catch(lambda: strike(signal.SIGUSR1, None))))
    thread.start()
    thread.join()

    assert isinstance(caught[0], TooLate)


class Alarm:
    """To be called; a signal strikes in one of the calls."""

    def __init__(self, calls_before: int = 0) -> None:
        self.calls_before = calls_before

    def __call__(self, *_: object) -> str:
        self.calls_before -= 1
        if self.calls_before == -1:
            signal.raise_signal(signal.SIGUSR1)
        return "text"


BASES: dict[str, tuple[type, ...]] = {"__fspath__": (os.PathLike,), "isoformat": (time,), "keys": (UserDict,)}


@pytest.mark.parametrize("beside", [0, math.nan], ids=["fast", "slow"])
@pytest.mark.parametrize("method", ["__repr__", "__fspath__", "isoformat", "keys", "__class__"])
def test_an_alarm_passes_in_whatever_call_of_an_object_that_is_encoded(method: str, beside: float) -> None:
    signal.signal(signal.SIGUSR1, strike)
    for calls_before in range(20):
        alarm = Alarm(calls_before)
        body: Any = property(alarm) if method == "__class__" else alarm
        payload = [beside, type("Payload", BASES.get(method, ()), {method: body})()]
        try:
            encode_event(Input(id="e", timestamp=AT, tool="t", data=payload))
        except TooLate:
            continue
        assert alarm.calls_before >= 0, "it was swallowed"
        assert calls_before > 0, "it was never called"
        return
    pytest.fail("it is called again and again")


def _say_with_a_mask(alarm: Alarm, _: pytest.MonkeyPatch) -> None:
    RecordingEmitter(mask=alarm).run("r").input("t", 1)


def _say_nonsense_where_a_handler_listens(alarm: Alarm, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", alarm)
    monkeypatch.setattr(logging.getLogger("agent_runs"), "handlers", [handler])
    RecordingEmitter().run("r").input(tool=5)  # type: ignore[arg-type]


def _say_an_error(alarm: Alarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runs.emitter.never_raise.format_exception_only", alarm)
    RecordingEmitter().run("r").run_failed(ValueError())


def _say_in_a_trace(alarm: Alarm, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = ModuleType("opentelemetry.trace")
    trace.get_current_span = alarm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    RecordingEmitter().run("r").run_completed()


def _say_something(alarm: Alarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runs.emitter.event_chain.new_id", alarm)
    RecordingEmitter().run("r").run_completed()


@pytest.mark.parametrize(
    "say",
    [_say_with_a_mask, _say_nonsense_where_a_handler_listens, _say_an_error, _say_in_a_trace, _say_something],
)
def test_an_alarm_passes_wherever_it_strikes_the_agent(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGUSR1, strike)

    with pytest.raises(TooLate):
        say(Alarm(), monkeypatch)
