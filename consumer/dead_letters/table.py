"""Reads, finds and closes rows of the table dead_letters."""

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from agent_runs.codec.records import Reason
from consumer.errors import UsageError
from consumer.postgres.session import Session
from consumer.postgres.store import Store

STATES: Final = ("open", "resolved", "discarded")
_LETTERS_PER_PAGE: Final = 500


class DeadLetterColumns(msgspec.Struct, kw_only=True):
    """The columns that a summary and a whole dead letter share. Times are in milliseconds since 1970.

    Attributes:
        retries: how often a retry refused the record again.
        created_at: when the record was first refused.
        updated_at: when the dead letter was last retried, resolved or discarded; before that, `created_at`.
    """

    id: int
    partition: int
    key: bytes | None
    reason: Reason
    detail: str
    state: str
    retries: int
    created_at: int
    updated_at: int


class DeadLetterSummary(DeadLetterColumns, kw_only=True):
    """A dead letter without its value and headers.

    Attributes:
        record_timestamp: in milliseconds since 1970; None if it is outside the years 1 to 9999.
        value_bytes: the size of the value; None if the value is null.
    """

    record_offset: int
    record_timestamp: int | None
    value_bytes: int | None


class DeadLetter(DeadLetterColumns, kw_only=True):
    """A whole dead letter. It implements `Record`, with the content of the refused record.

    Attributes:
        timestamp: the record's, in milliseconds since 1970; a time in the year 0 if the column could not hold it.
    """

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Action(msgspec.Struct, kw_only=True):
    """An entry of a dead letter's history.

    Attributes:
        at: in milliseconds since 1970.
        action: `refused`, `retried`, `resolved` or `discarded`.
        reason: why the record was refused; None for `resolved` and `discarded`.
        actor: who discarded the dead letter; None for other actions.
    """

    at: int
    action: str
    reason: str | None
    detail: str
    actor: str | None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects dead letters. A condition that is None is not applied.

    Attributes:
        since: refused at this time or later, in milliseconds since 1970.
        until: refused before this time.
        not_tried_since: not retried, resolved or discarded at this time or later.
    """

    ids: Sequence[int] | None = None
    reasons: Sequence[str] | None = None
    states: Sequence[str] | None = None
    partition: int | None = None
    run_id: str | None = None
    since: int | None = None
    until: int | None = None
    not_tried_since: int | None = None

    @property
    def selects_all(self) -> bool:
        """Whether no condition is set, apart from `states` and `not_tried_since`."""
        return self == Filter(states=self.states, not_tried_since=self.not_tried_since)

    def parameters(self) -> tuple[object, ...]:
        """Return the parameters of the query `find_letters`, from `$4` (the ids) on."""
        key = None if self.run_id is None else self.run_id.encode(errors="surrogateescape")
        values = (
            self.ids,
            self.reasons,
            self.states,
            self.partition,
            key,
            self.since,
            self.until,
            self.not_tried_since,
        )
        return tuple(list(item) if isinstance(item, list | tuple) else item for item in values)


# Stands for a timestamp that the column could not hold. It is not storable either, so a retry refuses the record.
_NO_TIMESTAMP: Final = -62_167_219_200_000


async def find(store: Store, filter_: Filter, after: int, limit: int) -> list[DeadLetterSummary]:
    """Return up to `limit` dead letters with ids above `after`, in the order of their ids: oldest first."""
    rows = await store.fetch("find_letters", store.topic, after, limit, *filter_.parameters())
    return [msgspec.convert(dict(row), DeadLetterSummary) for row in rows]


async def find_all(session: Session, filter_: Filter) -> AsyncIterator[DeadLetterSummary]:
    """Yield all dead letters that a filter selects, oldest first. Reads 500 per query."""
    last = 0
    while page := await session.run(partial(find, filter_=filter_, after=last, limit=_LETTERS_PER_PAGE)):
        for letter in page:
            yield letter
        last = page[-1].id


async def check_ids(store: Store, ids: Sequence[int]) -> None:
    """Check that dead letters with these ids exist.

    Raises:
        UsageError: there is no dead letter with one of the ids.
    """
    found = {letter.id for letter in await find(store, Filter(ids=ids), 0, len(ids))}
    for missing in set(ids) - found:
        raise _no_such_letter(missing)


async def read(store: Store, letter_id: int) -> DeadLetter:
    """Return one dead letter.

    Raises:
        UsageError: there is no dead letter with this id.
    """
    rows = await store.fetch("letter", store.topic, letter_id)
    if not rows:
        raise _no_such_letter(letter_id)
    return _letter(rows[0])


async def close(store: Store, letter_id: int, state: str, detail: str, actor: str | None = None) -> bool:
    """Set an open dead letter to `state` and add an entry to its history. Returns False if it was not open."""
    return bool(await store.fetch("close_letter", letter_id, state, detail, actor))


async def read_history(store: Store, letter: DeadLetter) -> list[Action]:
    """Return the history of a dead letter, oldest entry first. The first entry is the first refusal."""
    rows = await store.fetch("letter_history", letter.id)
    actions = [msgspec.convert(dict(row), Action) for row in rows]
    if any(action.action == "refused" for action in actions):
        return actions
    # A retry that refuses the record again copies the first refusal into the history. Until then it is in the row.
    first = Action(at=letter.created_at, action="refused", reason=letter.reason, detail=letter.detail, actor=None)
    return [first, *actions]


def _no_such_letter(letter_id: int) -> UsageError:
    return UsageError(f"there is no dead letter {letter_id}: `dead-letters list` shows the existing ones")


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    columns = dict(row)
    timestamp = columns.pop("record_timestamp")
    headers = msgspec.json.decode(columns.pop("headers"), type=list[tuple[str, str | None]])
    return DeadLetter(
        offset=columns.pop("record_offset"),
        timestamp=_NO_TIMESTAMP if timestamp is None else timestamp,
        headers=[(name, None if value is None else b64decode(value)) for name, value in headers],
        reason=Reason(columns.pop("reason")),
        **columns,
    )
