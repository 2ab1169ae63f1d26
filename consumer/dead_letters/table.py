"""Dead letters as the table holds them, and finding them."""

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from consumer.errors import UsageError
from consumer.model.records import Reason
from consumer.postgres.session import Session
from consumer.postgres.store import Store

STATES: Final = ("open", "resolved", "discarded")
_LETTERS_A_PAGE: Final = 500


class DeadLetterColumns(msgspec.Struct, kw_only=True):
    """What is known of every letter; times in milliseconds since 1970.

    Attributes:
        retries: how often it was tried again, and refused again.
        created_at: when it was refused first.
        updated_at: when something was last done about it.
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
    """A letter without what it holds.

    Attributes:
        record_timestamp: None where it is outside the years 1 to 9999.
        value_bytes: None where the value is null.
    """

    record_offset: int
    record_timestamp: int | None
    value_bytes: int | None


class DeadLetter(DeadLetterColumns, kw_only=True):
    """A letter with all that it holds: a record like the one that was refused.

    Attributes:
        timestamp: of the record, in milliseconds since 1970; the year 0 where no column could hold it.
    """

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Action(msgspec.Struct, kw_only=True):
    """One line of a letter's history. Verdicts have a reason; decisions have somebody who took them."""

    at: int
    action: str
    reason: str | None
    detail: str
    actor: str | None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; None is any.

    Attributes:
        since: refused at this time or later, in milliseconds since 1970.
        until: refused before it.
        not_tried_since: nothing was done about it since.
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
    def is_everything(self) -> bool:
        """Whether nothing narrows it down."""
        return self == Filter(states=self.states, not_tried_since=self.not_tried_since)

    def parameters(self) -> tuple[object, ...]:
        """As `find_letters` takes them."""
        key = None if self.run_id is None else self.run_id.encode(errors="surrogateescape")
        found = (self.ids, self.reasons, self.states, self.partition, key, self.since, self.until, self.not_tried_since)
        return tuple(list(item) if isinstance(item, list | tuple) else item for item in found)


# Before the year 1, where no record that was stored can be: judged again, it is refused again for what it was.
_NO_TIMESTAMP: Final = -62_167_219_200_000


async def find(store: Store, wanted: Filter, after: int, limit: int) -> list[DeadLetterSummary]:
    """Letters in the order in which they were refused, from behind that id on."""
    rows = await store.fetch("find_letters", store.topic, after, limit, *wanted.parameters())
    return [msgspec.convert(dict(row), DeadLetterSummary) for row in rows]


async def find_all(session: Session, wanted: Filter) -> AsyncIterator[DeadLetterSummary]:
    """All of them, read page by page: there may be more than fit into memory."""
    last = 0
    while page := await session.ask(partial(find, wanted=wanted, after=last, limit=_LETTERS_A_PAGE)):
        for letter in page:
            yield letter
        last = page[-1].id


async def check_ids(store: Store, ids: Sequence[int]) -> None:
    """Make sure that there are such letters.

    Raises:
        UsageError: one is missing.
    """
    found = {letter.id for letter in await find(store, Filter(ids=ids), 0, len(ids))}
    for missing in set(ids) - found:
        raise _no_such_letter(missing)


async def read(store: Store, letter_id: int) -> DeadLetter:
    """One letter.

    Raises:
        UsageError: there is none of that id.
    """
    rows = await store.fetch("letter", store.topic, letter_id)
    if not rows:
        raise _no_such_letter(letter_id)
    return _letter(rows[0])


async def close(store: Store, letter_id: int, state: str, detail: str, actor: str | None = None) -> bool:
    """Take a letter off those that wait, and write down why; says whether it waited."""
    return bool(await store.fetch("close_letter", letter_id, state, detail, actor))


async def read_history(store: Store, letter: DeadLetter) -> list[Action]:
    """What became of it, beginning with the first verdict."""
    rows = await store.fetch("letter_history", letter.id)
    actions = [msgspec.convert(dict(row), Action) for row in rows]
    if any(action.action == "refused" for action in actions):
        return actions
    # Nobody has refused it a second time: its first verdict is the one that it has.
    first = Action(at=letter.created_at, action="refused", reason=letter.reason, detail=letter.detail, actor=None)
    return [first, *actions]


def _no_such_letter(letter_id: int) -> UsageError:
    return UsageError(f"there is no dead letter {letter_id}: `dead-letters list` shows which there are")


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
