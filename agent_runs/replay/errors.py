"""The exceptions of replays.

ReplayError
├── RecordedFailure      the recorded call failed, or the policy `error` applies: for the agent's own error handling
├── RecordingHasHoles    events are missing in the recording, which is strict
└── Divergence           the agent does something else than the recorded run
    ├── Ambiguous        several recorded model calls may be the requested one
    ├── NotReplayable    the recorded answer is masked, or stands for an object that JSON cannot express
    └── Unserved         a strict recording has calls that the agent did not make
"""

from agent_runs.errors import AgentRunsError


class ReplayError(AgentRunsError):
    """Base class of the errors of replays."""


class RecordedFailure(ReplayError):
    """The recorded call failed with this text; or it is not in the recording, and its policy is `error`."""


class RecordingHasHoles(ReplayError):
    """Events of the recorded run are missing, so that a strict replay would prove nothing."""


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
