"""Keeps the emitter's exceptions out of the agent: an `Exception` is counted and logged instead of raised."""

from collections.abc import Callable, Mapping
from functools import wraps
from traceback import format_exception_only
from typing import Any, Concatenate, ParamSpec, TypeVar

from agent_runs.emitter.recorded_answers import RecordedError
from agent_runs.signal_safety import reraise_from_signal_handler

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Method = Callable[Concatenate[Any, _Arguments], _Result]


def never_raise(
    fallback: Callable[[Any, Mapping[str, Any]], _Result],
) -> Callable[[_Method[_Arguments, _Result]], _Method[_Arguments, _Result]]:
    """Decorate a method so that it returns `fallback(self, keywords)` instead of raising an `Exception`.

    This includes the TypeError of a call with wrong arguments. An exception that a signal handler of the agent raises
    still propagates. The class needs a method `_count_misuse(method_name, error)`, which counts a dropped
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
                return fallback(self, options)

        return wrapper

    return decorate


def format_error(error: str | BaseException) -> str:
    """Return the class and message of an exception, as at the end of its traceback.

    Returns a string argument unchanged. In a replay, a recorded error is returned as it was recorded.
    """
    if not isinstance(error, BaseException):
        return error
    if isinstance(error, RecordedError):
        return error.error
    try:
        return "".join(format_exception_only(error)).strip()
    except Exception as broken:  # noqa: BLE001  # `__str__` of an agent's exception can raise anything
        reraise_from_signal_handler(broken)
        return type(error).__name__


def error_type(error: str | BaseException) -> dict[str, str]:
    """Return the field `error_type` with the name of an exception's class; no field for a text."""
    if not isinstance(error, BaseException):
        return {}
    if isinstance(error, RecordedError):
        return {} if error.error_type is None else {"error_type": error.error_type}
    module, name = type(error).__module__, type(error).__qualname__
    return {"error_type": name if module in ("builtins", "__main__") else f"{module}.{name}"}
