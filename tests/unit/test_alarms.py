from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread
from typing import Any

import pytest

from agent_runs.alarms import pass_alarm_on
from agent_runs.encoding import encode_event
from agent_runs.events import Input


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
        pass_alarm_on(error)
        return error
    return None


HANDLERS: list[Any] = [
    strike,
    Handlers().method,
    Handlers(),
    partial(strike, "more"),
    partial(partial(Handlers()), "x"),
]


@pytest.mark.parametrize("handler", HANDLERS, ids=["function", "method", "object", "partial", "partial of partial"])
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


def test_an_alarm_that_strikes_while_an_object_is_spelled_is_no_fault_of_the_object() -> None:
    class Slow:
        def __repr__(self) -> str:
            signal.raise_signal(signal.SIGUSR1)
            return "done"

    signal.signal(signal.SIGUSR1, strike)

    with pytest.raises(TooLate):
        encode_event(Input(id="e", parent_event_id=None, timestamp=None, tool="t", data=Slow()))  # type: ignore[arg-type]
