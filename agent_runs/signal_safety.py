"""Lets exceptions that an agent's signal handlers raise pass through `except Exception`.

Such an exception may report a time limit, as `SoftTimeLimitExceeded` of Celery, a subclass of `Exception`, does. It can
be raised at any line that the main thread runs, inside this library too, and must reach the agent.
"""

import signal
from functools import partial
from threading import current_thread, main_thread
from types import CodeType


def reraise_from_signal_handler(error: Exception) -> None:
    """Raise the caught exception again if a signal handler raised it.

    A signal handler raised it if the code of a handler is in the traceback, below the function that caught the
    exception. Every `except Exception` that may run in the main thread calls this function first.
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None or current_thread() is not main_thread():
        return
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    while traceback := traceback.tb_next:
        if traceback.tb_frame.f_code in handlers:
            raise error


def _code_of(handler: object) -> CodeType | None:
    """Return the code object of a handler; None if the handler is not written in Python."""
    if isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
