"""Whatever is done wrong, or goes wrong in us, nothing is raised into an agent."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from agent_runs.signal_safety import reraise_from_signal_handler

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Method = Callable[Concatenate[Any, _Arguments], _Result]


def harmless(
    otherwise: Callable[[Any], _Result],
) -> Callable[[_Method[_Arguments, _Result]], _Method[_Arguments, _Result]]:
    """A method that never raises, not even for arguments that it doesn't have: it returns `otherwise(self)` instead.

    Its class has `_misused(method, error)`, which counts and logs.
    """

    def decorate(method: _Method[_Arguments, _Result]) -> _Method[_Arguments, _Result]:
        @wraps(method)
        def guarded(self: Any, /, *arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
            try:
                return method(self, *arguments, **options)
            except Exception as error:  # noqa: BLE001  # the one place that may: no agent fails for its audit trail
                reraise_from_signal_handler(error)
                self._misused(method.__name__, error)
                return otherwise(self)

        return guarded

    return decorate
