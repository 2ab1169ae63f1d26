"""Exceptions that an agent's signal handlers raise: whatever we are doing then, they are not ours to catch.

A time limit may be such an alarm (Celery's soft one is, and an `Exception`). It strikes wherever the main thread is.
"""

import signal
from functools import partial
from threading import current_thread, main_thread
from types import CodeType


def reraise_from_signal_handler(error: Exception) -> None:
    """Raise it again if it comes out of a signal handler: for every `except Exception` that puts up with errors."""
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None or current_thread() is not main_thread():
        return
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    while traceback := traceback.tb_next:
        if traceback.tb_frame.f_code in handlers:
            raise error


def _code_of(handler: object) -> CodeType | None:
    """The code that it runs, if it is Python's."""
    if isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
