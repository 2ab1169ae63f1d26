"""Finds a call of a language model in a run."""

from typing import NamedTuple

from agent_runs.reader import LlmCall, Reader
from agent_runs.reader.event_text import count_text
from viewer.errors import Failure
from viewer.parameters import MAX_SEQ


class FoundCall(NamedTuple):
    """A call, and whether the run has a later one."""

    call: LlmCall
    has_next: bool


async def find_call(reader: Reader, run_id: str, number: int) -> FoundCall:
    """Return the call of this number.

    Raises:
        Failure: the run has no such call, or its event cannot be decoded.
    """
    call = await reader.llm_call(run_id, number)
    if call is not None:
        return FoundCall(call, has_next=await reader.has_llm_call(run_id, call.seq))
    count = await reader.count_llm_calls(run_id, MAX_SEQ)
    if number <= count:
        raise Failure(404, f"The event of call {number} of the run {run_id!r} cannot be decoded.")
    raise Failure(404, f"The run {run_id!r} has {count_text(count, 'call')} of a language model.")


async def number_of_call(reader: Reader, run_id: str, seq: int) -> int:
    """Return the number of the call that the event `seq` is.

    Raises:
        Failure: the event is not a call, or does not exist.
    """
    number = await reader.count_llm_calls(run_id, seq)
    if number == await reader.count_llm_calls(run_id, seq - 1):
        raise Failure(404, f"Event {seq} of the run {run_id!r} is not a call of a language model.")
    return number
