"""The exceptions of replays.

ReplayError
├── RecordedFailure      the recorded call failed, or the policy `error` applies: for the agent's own error handling
├── RecordingHasHoles    events are missing in the recording, which is strict
├── NoSuchPosition       the topic has no such partition, or no such offset yet
└── Divergence           the agent does something else than the recorded run
    ├── Ambiguous        several recorded model calls may be the requested one
    ├── NotReplayable    the recorded answer is masked, or stands for an object that JSON cannot express
    └── Unserved         a strict recording has calls that the agent did not make
"""

import builtins
from functools import cache
from typing import Any

from agent_runs.emitter.recorded_answers import RecordedError
from agent_runs.errors import AgentRunsError


class ReplayError(AgentRunsError):
    """Base class of the errors of replays."""


class RecordedFailure(ReplayError, RecordedError):
    """The recorded call failed with this text; or it is not in the recording, and its policy is `error`.

    If the recorded exception was one of Python's own, such as LookupError, this is one too, with the same message.

    Attributes:
        error: the text of the recorded event, such as `LookupError: no such user`.
        error_type: the class of the recorded exception, such as `LookupError`; None if it has none.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return recorded_failure, (self.error, self.error_type)

    def __str__(self) -> str:
        return self.error.removeprefix(f"{self.error_type}: ")


class RecordingHasHoles(ReplayError):
    """Events of the recorded run are missing, so that a strict replay would prove nothing."""


class NoSuchPosition(ReplayError):
    """The topic does not have the partition or the offset at which a reading is to begin."""


class Divergence(ReplayError):
    """The agent made a call that the recording cannot answer; the message says which, and what to write to go on.

    An agent that catches every exception may catch this one. It is in `Recording.report()` all the same, and
    `Recording.finish()` raises it.
    """


class Ambiguous(Divergence):
    """The prompt differs from all recorded ones, and several recorded model calls may be meant."""


class NotReplayable(Divergence):
    """The recorded answer is not what the model or tool returned: it is masked or `{"$repr": …}`."""


class Unserved(Divergence):
    """A strict recording has calls that the agent did not make."""


def recorded_failure(error: str, error_type: str | None) -> RecordedFailure:
    """Return the exception for a recorded failure: also an instance of the recorded class, if that is Python's own."""
    return _failure_class(error_type or "")(error, error_type)


@cache
def _failure_class(error_type: str) -> type[RecordedFailure]:
    recorded = getattr(builtins, error_type, None)
    if not (isinstance(recorded, type) and issubclass(recorded, Exception)) or issubclass(recorded, BaseExceptionGroup):
        return RecordedFailure  # a group cannot be made without its exceptions
    try:
        return type(RecordedFailure.__name__, (RecordedFailure, recorded), {"__module__": __name__})
    except TypeError:  # the class cannot be combined with others
        return RecordedFailure
