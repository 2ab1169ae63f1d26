"""Keeps exceptions out of the agent: whatever fails inside the emitter is counted and logged instead."""

from collections.abc import Callable
from functools import wraps
from traceback import format_exception_only
from typing import Any, Concatenate, ParamSpec, TypeVar

from agent_runs.signal_safety import reraise_from_signal_handler

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Method = Callable[Concatenate[Any, _Arguments], _Result]


def never_raise(
    fallback: Callable[[Any], _Result],
) -> Callable[[_Method[_Arguments, _Result]], _Method[_Arguments, _Result]]:
    """Decorate a method so that it returns `fallback(self)` where it would raise.

    This includes calls with arguments that the method does not have. An exception that a signal handler of the agent
    raises still propagates. The class needs a method `_count_misuse(method_name, error)`, which counts a dropped
    event and logs why.
    """

    def decorate(method: _Method[_Arguments, _Result]) -> _Method[_Arguments, _Result]:
        @wraps(method)
        def wrapper(self: Any, /, *arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
            try:
                return method(self, *arguments, **options)
            except Exception as error:  # noqa: BLE001  # an agent must not fail because of its audit trail
                reraise_from_signal_handler(error)
                self._count_misuse(method.__name__, error)
                return fallback(self)

        return wrapper

    return decorate


def format_error(error: str | BaseException) -> str:
    """The class and message of an exception, as the last lines of its traceback show them; a text as it is."""
    if not isinstance(error, BaseException):
        return error
    try:
        return "".join(format_exception_only(error)).strip()
    except Exception as broken:  # noqa: BLE001  # `__str__` of an agent's exception can raise anything
        reraise_from_signal_handler(broken)
        return type(error).__name__
