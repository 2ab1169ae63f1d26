"""The calls of language models of a run, from its events."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import msgspec

from agent_runs.events import LlmCalled, LlmFailed
from agent_runs.reader.prompt_diff import Change, text_changes
from agent_runs.reader.stored_events import StoredEvent

LLM_TYPES: Final = ("llm_called", "llm_failed")


class LlmCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a language model.

    Attributes:
        number: its number among the calls of the run, from 1; calls that failed count.
        seq: the number of its event in the run.
        created_at: the record's timestamp.
        model: the name of the model.
        system_prompt: the exact system prompt.
        user_prompt: the exact user prompt.
        raw_response: the exact answer; None if the call failed.
        error: why the call failed, as text; None if it did not.
        usage: the further field `usage` of the event, by convention the numbers of tokens; None if there is none.
        changes: the differences of the prompts to those of the call before; empty for the first call.
    """

    number: int
    seq: int
    created_at: datetime
    model: str
    system_prompt: str
    user_prompt: str
    raw_response: str | None = None
    error: str | None = None
    usage: Any = None
    changes: list[Change] = []


async def calls_of_pages(pages: AsyncIterator[list[StoredEvent]]) -> AsyncIterator[list[LlmCall]]:
    """Iterate over the calls among the events, page by page.

    An event of a call that cannot be decoded is left out, but counts in the numbers.
    """
    number = 0
    before: LlmCalled | LlmFailed | None = None
    async for page in pages:
        calls = []
        for stored in page:
            number += stored.type in LLM_TYPES
            if isinstance(stored.event, LlmCalled | LlmFailed):
                calls.append(_call(number, stored, stored.event, before))
                before = stored.event
        yield calls


async def nth_call(pages: AsyncIterator[list[StoredEvent]], wanted: int | None) -> LlmCall | None:
    """Return one call among the events, or the last one; None if there is no such call.

    Compares its prompts only: those of a long run take seconds.

    Args:
        pages: the events, page by page.
        wanted: the number of the call, from 1. None: the last one.
    """
    number = 0
    before: LlmCalled | LlmFailed | None = None
    found: tuple[int, StoredEvent, LlmCalled | LlmFailed, LlmCalled | LlmFailed | None] | None = None
    async for page in pages:
        for stored in page:
            number += stored.type in LLM_TYPES
            if not isinstance(stored.event, LlmCalled | LlmFailed):
                continue
            found, before = (number, stored, stored.event, before), stored.event
            if number == wanted:
                return _call(*found)
    return _call(*found) if found is not None and wanted is None else None


def call_of_events(number: int, event: StoredEvent, before: StoredEvent | None) -> LlmCall | None:
    """Return the call that an event is; None if it cannot be decoded.

    Args:
        number: its number among the calls of the run, from 1.
        event: the event.
        before: the last call before it that can be decoded; None if there is none.
    """
    if not isinstance(event.event, LlmCalled | LlmFailed):
        return None
    earlier = before.event if before is not None and isinstance(before.event, LlmCalled | LlmFailed) else None
    return _call(number, event, event.event, earlier)


def _call(
    number: int, stored: StoredEvent, event: LlmCalled | LlmFailed, before: LlmCalled | LlmFailed | None
) -> LlmCall:
    return LlmCall(
        number=number,
        seq=stored.seq,
        created_at=stored.created_at,
        model=event.model,
        system_prompt=event.system_prompt,
        user_prompt=event.user_prompt,
        raw_response=event.raw_response if isinstance(event, LlmCalled) else None,
        error=event.error if isinstance(event, LlmFailed) else None,
        usage=event.further_fields.get("usage"),
        changes=[] if before is None else _changes(before, event),
    )


def _changes(before: LlmCalled | LlmFailed, event: LlmCalled | LlmFailed) -> list[Change]:
    return [
        *text_changes(before.system_prompt, event.system_prompt, ["system_prompt"]),
        *text_changes(before.user_prompt, event.user_prompt, ["user_prompt"]),
    ]
