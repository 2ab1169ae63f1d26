"""Exceptions that an agent's signal handlers raise pass through the library, wherever they interrupt it."""

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

from agent_runs.codec.encode import encode_event, encode_lossy
from agent_runs.events import Input
from agent_runs.signal_safety import reraise_from_signal_handler
from agent_runs.testing import RecordingEmitter

AT = datetime(2026, 1, 1, tzinfo=UTC)


class TimeLimit(Exception):
    pass


def handler(*_: object) -> None:
    raise_time_limit()


def raise_time_limit() -> None:
    raise TimeLimit


class Handlers:
    def method(self, *_: object) -> None:
        raise TimeLimit

    def __call__(self, *_: object) -> None:
        raise TimeLimit


@pytest.fixture(autouse=True)
def _restore_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def catch(action: Callable[[], object]) -> Exception | None:
    """Return the error that an `except Exception` of the library catches; None if there is none."""
    try:
        action()
    except Exception as error:  # noqa: BLE001
        reraise_from_signal_handler(error)
        return error
    return None


HANDLERS: list[Any] = [
    handler,
    Handlers().method,
    Handlers(),
    partial(handler, "more"),
]


@pytest.mark.parametrize("handler", HANDLERS, ids=["function", "method", "object", "partial"])
def test_the_exception_of_a_signal_handler_passes(handler: Any) -> None:
    signal.signal(signal.SIGUSR1, handler)

    with pytest.raises(TimeLimit):
        catch(lambda: signal.raise_signal(signal.SIGUSR1))


def test_other_exceptions_are_caught() -> None:
    signal.signal(signal.SIGUSR1, handler)

    assert isinstance(catch(raise_time_limit), TimeLimit)
    assert isinstance(catch(lambda: int("x")), ValueError)
    # The default handlers are members of an enum: calling one would run the code that looks up a member, as this does.
    assert isinstance(catch(lambda: signal.Signals(1000)), ValueError)


def test_an_exception_in_another_thread_is_caught() -> None:
    signal.signal(signal.SIGUSR1, handler)
    caught: list[Exception | None] = []

    thread = Thread(target=lambda: caught.append(catch(lambda: handler(signal.SIGUSR1, None))))
    thread.start()
    thread.join()

    assert isinstance(caught[0], TimeLimit)


class SignalInCall:
    """Return a callable that raises the signal in the call after `calls_before` others."""

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
def test_the_exception_passes_in_every_method_of_an_object_that_is_encoded(method: str, beside: float) -> None:
    signal.signal(signal.SIGUSR1, handler)
    encode = encode_lossy if method == "__class__" else encode_event  # the others read the type instead
    for calls_before in range(20):
        call = SignalInCall(calls_before)
        body: Any = property(call) if method == "__class__" else call
        payload = [beside, type("Payload", BASES.get(method, ()), {method: body})()]
        try:
            encode(Input(id="e", timestamp=AT, tool="t", data=payload))
        except TimeLimit:
            continue
        assert call.calls_before >= 0, "the exception was caught"
        assert calls_before > 0, "the method was never called"
        return
    pytest.fail("the method is called more than 20 times")


def _in_a_mask(call: SignalInCall, _: pytest.MonkeyPatch) -> None:
    RecordingEmitter(mask=call).run("r").input("t", 1)


def _in_a_log_handler(call: SignalInCall, monkeypatch: pytest.MonkeyPatch) -> None:
    log_handler = logging.Handler()
    monkeypatch.setattr(log_handler, "emit", call)
    monkeypatch.setattr(logging.getLogger("agent_runs"), "handlers", [log_handler])
    RecordingEmitter().run("r").input(tool=5)  # type: ignore[arg-type]


def _in_a_traceback(call: SignalInCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runs.emitter.never_raise.format_exception_only", call)
    RecordingEmitter().run("r").run_failed(ValueError())


def _in_a_trace_api(call: SignalInCall, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = ModuleType("opentelemetry.trace")
    trace.get_current_span = call  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    RecordingEmitter().run("r").run_completed()


def _in_new_id(call: SignalInCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runs.emitter.event_chain.new_id", call)
    RecordingEmitter().run("r").run_completed()


@pytest.mark.parametrize(
    "emit",
    [_in_a_mask, _in_a_log_handler, _in_a_traceback, _in_a_trace_api, _in_new_id],
)
def test_the_exception_passes_wherever_it_is_raised(emit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGUSR1, handler)

    with pytest.raises(TimeLimit):
        emit(SignalInCall(), monkeypatch)
