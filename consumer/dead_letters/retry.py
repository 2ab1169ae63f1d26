"""A dead letter's bytes through the same path again.

One transaction a letter: killed wherever, it was tried or it wasn't, and the next pass finds what is left.
"""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import msgspec

from consumer.dead_letters.table import DeadLetter, DeadLetterSummary, Filter, close, find_all, read
from consumer.errors import DataRefused, RepeatedIds, Unavailable
from consumer.ingest.decoding import decode
from consumer.ingest.ingest import store_events
from consumer.ingest.transaction import Transaction
from consumer.model.records import Event, Reason, Rejection, storable_text
from consumer.postgres.session import Session
from consumer.postgres.store import Store


class Outcome(StrEnum):
    """What became of a letter that was tried."""

    STORED = "stored"
    REPEAT = "repeat"  # the run has this very event already
    REFUSED = "refused again"
    SKIPPED = "skipped"


class Tried(NamedTuple):
    """One letter, and what became of it."""

    letter_id: int
    outcome: Outcome
    detail: str


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How letters are tried.

    Attributes:
        max_retries: one that was refused again so many times is left alone.
        dry_run: do everything, and roll it back.
    """

    max_event_bytes: int
    max_retries: int
    dry_run: bool


class _Undo(Exception):
    """Ends the transaction of a dry run, which has done all but COMMIT."""

    def __init__(self, tried: Tried) -> None:
        super().__init__()
        self.tried = tried


class Retry:
    """Passes over letters. Each is tried once a pass, also when the answer to its COMMIT is lost."""

    def __init__(self, session: Session, rules: Rules) -> None:
        self._session = session
        self._rules = rules

    async def begin(self) -> int:
        """The server's time now, in milliseconds since 1970: what was not tried since belongs to a pass that begins."""
        (row,) = await self._session.fetch("server_now")
        return int(row["now"])

    async def run(self, wanted: Filter, begun: int) -> AsyncIterator[Tried]:
        """Try the letters, in the order in which they were refused, that were not tried since the pass began.

        Raises:
            GaveUp: PostgreSQL stayed away.
        """
        async for letter in find_all(self._session, msgspec.structs.replace(wanted, not_tried_since=begun)):
            if skipped := self._skipped(letter):
                yield skipped
            else:
                yield await self._session.ask(partial(self._try, letter_id=letter.id, begun=begun))

    def _skipped(self, letter: DeadLetterSummary) -> Tried | None:
        if letter.state != "open":
            return Tried(letter.id, Outcome.SKIPPED, f"it is {letter.state}")
        if letter.retries >= self._rules.max_retries:
            return Tried(letter.id, Outcome.SKIPPED, f"it was refused {letter.retries} times more: see --max-retries")
        return None

    async def _try(self, store: Store, letter_id: int, begun: int) -> Tried:
        try:
            try:
                return await self._transact(store, letter_id, begun, self._judge)
            except DataRefused as error:
                refusal = str(error)
            return await self._transact(
                store, letter_id, begun, lambda letter: Rejection(letter, Reason.STORE_REJECTED, refusal)
            )
        except _Undo as undo:
            return undo.tried
        except RepeatedIds as error:  # a consumer has stored the same id in this moment: again
            raise Unavailable(str(error)) from error

    def _judge(self, letter: DeadLetter) -> Event | Rejection:
        return decode(letter, self._rules.max_event_bytes)

    async def _transact(
        self, store: Store, letter_id: int, begun: int, judge: Callable[[DeadLetter], Event | Rejection]
    ) -> Tried:
        """Try one letter, all of it or nothing.

        1. Hold the letter, if it still waits and was not tried in this pass.
        2. Judge its bytes.
        3. Give the event the run's next number, or find that the run has it; then the letter is resolved.
        4. Or keep the letter open, with its new reason.
        """
        async with store.transaction():
            if not await store.fetch("lock_open_letter", letter_id, begun):  # 1
                return Tried(letter_id, Outcome.SKIPPED, "somebody has just seen to it")
            judged = judge(await read(store, letter_id))  # 2
            if isinstance(judged, Event):
                tried = await self._store(store, letter_id, judged)  # 3
            else:
                tried = await self._refuse(store, letter_id, judged)  # 4
            if self._rules.dry_run:
                raise _Undo(tried)
        return tried

    async def _store(self, store: Store, letter_id: int, event: Event) -> Tried:
        event.make_storable()  # at once: it was refused before, and a second look is cheap here
        found = await store_events([event], Transaction(store), check_existing=True)
        if found.conflicts:
            return await self._refuse(store, letter_id, found.conflicts[0])
        (row,) = await store.fetch("stored_beside", *event.key)
        detail = f"event {row['event_seq']} of run {event.run_id!r}"
        await close(store, letter_id, "resolved", detail)
        return Tried(letter_id, Outcome.STORED if found.new else Outcome.REPEAT, detail)

    async def _refuse(self, store: Store, letter_id: int, letter: Rejection) -> Tried:
        detail = storable_text(letter.detail)
        await store.fetch("refuse_letter_again", letter_id, letter.reason, detail)
        return Tried(letter_id, Outcome.REFUSED, f"{letter.reason}: {detail}")
