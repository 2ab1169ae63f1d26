"""Retries dead letters: stores those that are valid events now, with the consumer's own code for storing events.

Each dead letter has a transaction of its own. If the process is killed, each one was retried completely or not at all.
The next pass retries those that are still open.
"""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import msgspec

from agent_runs.codec.records import Reason
from consumer.dead_letters.table import DeadLetter, DeadLetterSummary, Filter, close, find_all, read
from consumer.errors import DataRefused, RepeatedIds, Unavailable
from consumer.ingest.decoding import decode
from consumer.ingest.ingest import store_events
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.model.records import Event, Rejection, storable_text
from consumer.postgres.session import Session
from consumer.postgres.store import Store


class Outcome(StrEnum):
    """The result of retrying one dead letter."""

    STORED = "stored"
    REPEAT = "repeat"  # the run already has this event
    REFUSED = "refused again"
    SKIPPED = "skipped"
    BLOCKED = "blocked"  # an object that was added to the tables refuses the row; the dead letter is unchanged


class Retried(NamedTuple):
    """A dead letter and the result of retrying it."""

    letter_id: int
    outcome: Outcome
    detail: str


class RetryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to retry dead letters.

    Attributes:
        max_event_bytes: messages with more bytes are refused again.
        max_retries: dead letters that were refused again at least this many times are skipped.
        dry_run: roll every transaction back instead of committing it.
    """

    max_event_bytes: int
    max_retries: int
    dry_run: bool


class _RollBack(Exception):
    """Raised at the end of a dry run's transaction, to roll it back."""

    def __init__(self, result: Retried) -> None:
        super().__init__()
        self.result = result


class Retry:
    """One pass over dead letters. It retries each one at most once, even if the answer to a COMMIT is lost."""

    def __init__(self, session: Session, options: RetryOptions) -> None:
        self._session = session
        self._options = options

    async def start_time(self) -> int:
        """Return PostgreSQL's time, in milliseconds since 1970, as the start of a new pass."""
        (row,) = await self._session.fetch("server_now")
        return int(row["now"])

    async def run(self, filter_: Filter, started_at: int) -> AsyncIterator[Retried]:
        """Retry the dead letters, oldest first, that were not changed since `started_at`.

        Raises:
            GaveUp: PostgreSQL stayed unavailable.
        """
        async for letter in find_all(self._session, msgspec.structs.replace(filter_, not_tried_since=started_at)):
            if skipped := self._skipped(letter):
                yield skipped
            else:
                yield await self._session.run(partial(self._retry, letter_id=letter.id, started_at=started_at))

    def _skipped(self, letter: DeadLetterSummary) -> Retried | None:
        if letter.state != "open":
            return Retried(letter.id, Outcome.SKIPPED, f"it is {letter.state}")
        if letter.reason is Reason.UNREADABLE and letter.key is None:
            kept = "none of its bytes are" if letter.value_bytes is None else "its value is what could be"
            return Retried(letter.id, Outcome.SKIPPED, f"it has no key, and {kept} kept: publish its events again")
        if letter.retries >= self._options.max_retries:
            return Retried(letter.id, Outcome.SKIPPED, f"refused again {letter.retries} times: raise --max-retries")
        return None

    async def _retry(self, store: Store, letter_id: int, started_at: int) -> Retried:
        try:
            try:
                return await self._transact(store, letter_id, started_at, self._decode)
            except DataRefused as error:
                return await self._resolve_refusal(store, letter_id, started_at, error)
        except _RollBack as rollback:
            return rollback.result
        except RepeatedIds as error:  # a consumer stored the same id at the same time: `Session.run` repeats the work
            raise Unavailable(str(error)) from error

    async def _resolve_refusal(self, store: Store, letter_id: int, started_at: int, error: DataRefused) -> Retried:
        """Refuse the record again if JSONB cannot hold its message; otherwise leave the dead letter unchanged."""
        item = self._decode(await read(store, letter_id))
        if isinstance(item, Event):
            item.make_storable()
            if refused := await refused_values([item.value], store):
                return await self._transact(
                    store, letter_id, started_at, lambda letter: Rejection(letter, Reason.STORE_REJECTED, refused[0])
                )
        return Retried(letter_id, Outcome.BLOCKED, f"PostgreSQL refuses the row, not its message: {error}")

    def _decode(self, letter: DeadLetter) -> Event | Rejection:
        return decode(letter, self._options.max_event_bytes)

    async def _transact(
        self, store: Store, letter_id: int, started_at: int, to_item: Callable[[DeadLetter], Event | Rejection]
    ) -> Retried:
        """Retry one dead letter in one transaction.

        1. Lock the dead letter, if it is open and was not retried in this pass.
        2. Make an event or a rejection of it, with `to_item`.
        3. Store an event with the run's next number, unless the run already has it, and resolve the dead letter.
        4. After a rejection, keep the dead letter open, with the new reason.
        """
        async with store.transaction():
            if not await store.fetch("lock_open_letter", letter_id, started_at):  # 1
                return Retried(letter_id, Outcome.SKIPPED, "already resolved, discarded or retried in this pass")
            item = to_item(await read(store, letter_id))  # 2
            if isinstance(item, Event):
                result = await self._store_event(store, letter_id, item)  # 3
            else:
                result = await self._refuse_again(store, letter_id, item)  # 4
            if self._options.dry_run:
                raise _RollBack(result)
        return result

    async def _store_event(self, store: Store, letter_id: int, event: Event) -> Retried:
        event.make_storable()  # a batch stores the original first; for one event this is cheap
        found = await store_events([event], Transaction(store), check_existing=True)
        if found.rejections:
            return await self._refuse_again(store, letter_id, found.rejections[0])
        (row,) = await store.fetch("stored_event", *event.key)
        detail = f"event {row['event_seq']} of run {event.run_id!r}"
        await close(store, letter_id, "resolved", detail)
        return Retried(letter_id, Outcome.STORED if found.new else Outcome.REPEAT, detail)

    async def _refuse_again(self, store: Store, letter_id: int, rejection: Rejection) -> Retried:
        detail = storable_text(rejection.detail)
        await store.fetch("refuse_letter_again", letter_id, rejection.reason, detail)
        return Retried(letter_id, Outcome.REFUSED, f"{rejection.reason}: {detail}")
