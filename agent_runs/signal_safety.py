"""Lets exceptions that an agent's signal handlers raise pass through `except Exception`.

Such an exception may be a time limit; Celery's soft time limit is one, and a subclass of `Exception`. It can be raised
at any line that the main thread runs, inside this library too, and must reach the agent.
"""

import signal
from functools import partial
from threading import current_thread, main_thread
from types import CodeType


def reraise_from_signal_handler(error: Exception) -> None:
    """Raise the caught exception again if a signal handler raised it. Every broad `except Exception` calls this first.

    A signal handler raised it if the code of one is in the traceback, below the function that caught the exception.
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None or current_thread() is not main_thread():
        return
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    while traceback := traceback.tb_next:
        if traceback.tb_frame.f_code in handlers:
            raise error


def _code_of(handler: object) -> CodeType | None:
    """The code that a handler runs; None if it is not written in Python."""
    if isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
