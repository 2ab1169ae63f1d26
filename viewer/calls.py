"""Finds a call of a language model in a run."""

from typing import NamedTuple

from agent_runs.reader import LlmCall, Reader
from agent_runs.reader.event_text import count_text
from viewer.errors import Failure


class FoundCall(NamedTuple):
    """A call, and whether the run has a later one."""

    call: LlmCall
    has_next: bool


async def find_call(reader: Reader, run_id: str, *, number: int | None = None, seq: int | None = None) -> FoundCall:
    """Return the call of this number, or that of the event `seq`.

    Raises:
        Failure: the run has no such call.
    """
    found: LlmCall | None = None
    last = 0
    async for call in reader.llm_calls(run_id):
        if found is not None:
            return FoundCall(found, has_next=True)
        last = call.number
        if number == call.number or seq == call.seq:
            found = call
    if found is not None:
        return FoundCall(found, has_next=False)
    if seq is not None:
        raise Failure(404, f"Event {seq} of the run {run_id!r} is not a call of a language model.")
    raise Failure(404, f"The run {run_id!r} has {count_text(last, 'call')} of a language model.")
