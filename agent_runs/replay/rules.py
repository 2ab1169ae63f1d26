"""What the user of a recording decides: when a call counts as recorded, and what happens with one that is not."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from agent_runs.codec.canonical_json import text_of
from agent_runs.replay.canonical import value_key
from agent_runs.replay.requests import Request, shortened
from agent_runs.replay.units import Units

# `raise`: raise a Divergence. `error`: raise a RecordedFailure, which the agent sees as the failure of the tool.
# `live`: call the real function. A callable gets the request and returns the answer.
Policy: TypeAlias = Literal["raise", "error", "live"] | Callable[[Request], Any]


def check_policy(on_miss: Policy) -> None:
    """Raise `ValueError` if `on_miss` is not a policy of a recording."""
    if on_miss not in ("raise", "error") and not callable(on_miss):
        raise ValueError(f"on_miss={on_miss!r}: it must be 'raise', 'error' or a function; 'live' is for ToolRule")


class ToolRule(msgspec.Struct, frozen=True):
    """How the calls of one tool are compared and what happens with a call that is not recorded.

    Attributes:
        ignore: the names of arguments that do not count, such as `request_id`.
        key: a function of the arguments; two calls are the same if it returns the same value. Replaces `ignore`.
        on_miss: what happens with a call that is not recorded; None: as `on_miss` of the recording says.
        recorded_as: the name of the tool in the recording, if the tool was renamed since.
    """

    ignore: tuple[str, ...] = ()
    key: Callable[[Any], Any] | None = None
    on_miss: Policy | None = None
    recorded_as: str | None = None

    def __post_init__(self) -> None:
        names: Any = self.ignore
        if isinstance(names, str):  # else its letters would be the names
            raise TypeError(f"ignore={names!r}: it must be a tuple of names, such as ({names!r},)")
        if self.on_miss is not None and self.on_miss != "live":
            check_policy(self.on_miss)

    def key_of(self, arguments: Any) -> str:
        """Return the key of the arguments of a call."""
        if self.key is not None:
            try:
                return value_key(self.key(arguments))
            except Exception as error:
                error.add_note(f"raised by the function `key` of a ToolRule, for {shortened(text_of(arguments))}")
                raise
        if self.ignore and isinstance(arguments, dict):
            arguments = {name: value for name, value in arguments.items() if name not in self.ignore}
        return value_key(arguments)


def checked_rules(tools: Mapping[str, ToolRule] | None) -> dict[str, ToolRule]:
    """Return the rules of single tools.

    Raises:
        TypeError: there is something else than a `ToolRule`.
    """
    rules = dict(tools or {})
    for name, rule in rules.items():
        if not isinstance(rule, ToolRule):
            raise TypeError(f"tools: {name!r} has {rule!r}; it must have a ToolRule")
    return rules


class NthLlmCall(msgspec.Struct, frozen=True):
    """The place of a model call of the recorded run, by its number from 1."""

    number: int


Until: TypeAlias = int | str | NthLlmCall | None


def last_seq(units: Units, until: int | str | NthLlmCall) -> int:
    """Return the number of the event at a place of the run.

    Raises:
        ValueError: the place is not in the run.
    """
    if isinstance(until, int):
        last = max(units.seq_by_id.values(), default=-1)
        if not 0 <= until <= last:
            problem = f"the events of the run have the numbers 0 to {last}" if last >= 0 else "the run has no events"
            raise ValueError(f"until={until}: {problem}")
        return until
    if isinstance(until, NthLlmCall):
        numbers = [unit.seq for unit in units.calls if unit.kind == "llm"]
        if not 1 <= until.number <= len(numbers):
            raise ValueError(f"until={until}: the run has {len(numbers)} model calls")
        return numbers[until.number - 1]
    if until not in units.seq_by_id:
        raise ValueError(f"until={until!r}: the run has no event with this id")
    return units.seq_by_id[until]
