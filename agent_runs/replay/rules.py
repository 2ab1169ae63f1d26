"""What the user of a recording decides: when a call counts as recorded, and what happens with one that is not."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from agent_runs.replay.canonical import value_key
from agent_runs.replay.requests import Request

# `raise`: raise a Divergence. `error`: raise a RecordedFailure, which the agent sees as the failure of the tool.
# `live`: call the real function. A callable gets the request and returns the answer.
Policy: TypeAlias = Literal["raise", "error", "live"] | Callable[[Request], Any]


class ToolRule(msgspec.Struct, frozen=True):
    """How the calls of one tool are compared and what happens with a call that is not recorded.

    Attributes:
        ignore: the names of arguments that do not count, such as `request_id`.
        key: a function of the arguments; two calls are the same if it returns the same value. Replaces `ignore`.
        on_miss: what happens with a call that is not recorded; None: as `on_miss` of the recording says.
    """

    ignore: tuple[str, ...] = ()
    key: Callable[[Any], Any] | None = None
    on_miss: Policy | None = None

    def key_of(self, arguments: Any) -> str:
        """Return the key of the arguments of a call."""
        if self.key is not None:
            return value_key(self.key(arguments))
        if self.ignore and isinstance(arguments, dict):
            arguments = {name: value for name, value in arguments.items() if name not in self.ignore}
        return value_key(arguments)


class NthLlmCall(msgspec.Struct, frozen=True):
    """The place of a model call of the recorded run, by its number from 1."""

    number: int


Until: TypeAlias = int | str | NthLlmCall | None
