"""From an assigned partition to one that is fetched, and the watch over those that are.

What a claim begins with comes from PostgreSQL; whether the log still has it is asked of the log.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from consumer.config import Config
from consumer.errors import KafkaClientBroken, NewConnection, Unavailable
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import storable_timestamp
from consumer.partitions.circuit_breaker import tripped_partitions
from consumer.postgres.session import Connect, Session
from consumer.postgres.store import Offsets
from consumer.runtime.retrying import retry_delay_s

_log = structlog.get_logger()

_TICK_S: Final = 0.05


async def lost_offsets(stored: Offsets, bounds: Bounds, log: TopicReader) -> str | None:
    """Why the log no longer has what comes after the stored offset; None if it has.

    Names of topics come back, offsets too: the timestamp of the last record passed tells one log from the next.
    """
    if stored.next_offset < bounds.begins:
        return f"the log begins at {bounds.begins}: the records from {stored.next_offset} on are gone (retention)"
    if stored.next_offset > bounds.ends:
        return f"the log ends at {bounds.ends}, before the stored {stored.next_offset}: made anew, or truncated"
    if stored.last is not None and not await _still_there(stored.partition, stored.last, bounds, log):
        return f"another record than the one stored stands at offset {stored.last_offset}: the topic was made anew"
    return None


async def _still_there(partition: int, last: tuple[int, int], bounds: Bounds, log: TopicReader) -> bool:
    offset, timestamp = last
    if not bounds.begins <= offset < bounds.ends:
        return offset < bounds.begins  # retention took it, which says nothing; behind the end it can't be
    found = await log.timestamp_at(partition, offset)
    # None: a marker or an aborted record stands where a committed one did. No log does that, only another one.
    return found is not None and (storable_timestamp(found) or 0) == timestamp


class Ownership:
    """Takes up what the group assigns to us, and watches over it."""

    def __init__(
        self,
        source: GroupConsumer,
        log: TopicReader,
        connect: Connect,
        config: Config,
        has_room: Callable[[Claim], bool],
    ) -> None:
        self._source = source
        self._log = log
        self._session = Session(connect, config.database.timeout_s)
        self._config = config.topic
        self._ingest = config.ingest
        self._has_room = has_room
        self._positions: dict[Claim, tuple[int, float]] = {}

    async def run(self) -> None:
        """Take up new claims as they come, and watch the others, until cancelled.

        Raises:
            KafkaClientBroken: the log goes on and the group's client does not notice.
        """
        failures, watched_at = 0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self._take_up()
                if time.monotonic() - watched_at >= self._config.watch_interval_s:
                    watched_at = time.monotonic()
                    await self._watch()
                failures = 0
            except (Unavailable, NewConnection) as error:
                _log.warning("Waiting for the world", action="wait", what="take up partitions", error=str(error))
                self.close()  # a session that began read-only stays so, whatever becomes of the server
                await asyncio.sleep(retry_delay_s(failures))
                failures += 1

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    async def _take_up(self) -> None:
        for claim in [claim for claim in self._source.claims if claim.state is ClaimState.LOST]:
            self._source.renew(claim)
        new = [claim for claim in self._source.claims if claim.state is ClaimState.NEW]
        if new:
            partitions = [claim.partition for claim in new]
            # In this order: the log only grows, and so has what was stored a moment ago, whoever stored it.
            offsets = await self._offsets(partitions)
            bounds = await self._log.bounds(partitions)
            full = await self._overfull([offsets[partition] for partition in partitions])
            for claim in new:
                stored = offsets[claim.partition]
                lost = await lost_offsets(stored, bounds[claim.partition], self._log)
                self._begin(claim, stored, bounds[claim.partition], lost or full.get(claim.partition))

    async def _offsets(self, partitions: Sequence[int]) -> dict[int, Offsets]:
        """The stored offsets; a partition that was never seen begins where its log does."""
        offsets = await self._session.ask(lambda store: store.offsets())
        unseen = sorted(set(partitions) - offsets.keys())
        if not unseen:
            return offsets
        if any(known.next_offset > known.first_offset for known in offsets.values()):
            _log.warning(
                "Partitions were added: runs whose key now goes elsewhere are split; `verify` names them",
                action="partitions_added",
                partitions=unseen,
            )
        bounds = await self._log.bounds(unseen)
        begins = [bounds[partition].begins for partition in unseen]
        await self._session.ask(lambda store: store.fetch("begin_partitions", store.topic, unseen, begins))
        return await self._session.ask(lambda store: store.offsets())

    async def _overfull(self, stored: Sequence[Offsets]) -> dict[int, str]:
        """The partitions that have too many letters that wait."""
        return await self._session.ask(lambda store: tripped_partitions(store, self._ingest, stored))

    def _begin(self, claim: Claim, stored: Offsets, bounds: Bounds, problem: str | None) -> None:
        if problem is None:
            self._source.begin(claim, stored.next_offset, stored.last)
            claim.end_offset = max(claim.end_offset, bounds.ends)
        else:
            claim.halt(problem)

    async def _watch(self) -> None:
        claims = list(self._source.claims)
        if not claims:
            return
        bounds = await self._log.bounds(claim.partition for claim in claims)
        for claim in claims:
            claim.end_offset = max(claim.position, bounds[claim.partition].ends)
            claim.heard += 1
            if claim.state is ClaimState.HALTED:
                await self._look_again(claim, bounds[claim.partition])
            elif claim.state is ClaimState.READY:
                await self._check_anchor(claim, bounds[claim.partition])
        self._check_progress(claims)

    async def _look_again(self, claim: Claim, bounds: Bounds) -> None:
        """An operator may have accepted the loss meanwhile or dealt with the letters, or the broker has got well."""
        stored = (await self._session.ask(lambda store: store.offsets()))[claim.partition]
        if await lost_offsets(stored, bounds, self._log) is None and not await self._overfull([stored]):
            self._source.renew(claim)

    async def _check_anchor(self, claim: Claim, bounds: Bounds) -> None:
        """A topic made anew under our feet goes on at our offset, if it has come so far: the client knows names only.

        Then what was stored since belongs to the new log. Its fingerprint is put back to the old one's, so that every
        owner from here on finds the difference, and halts.
        """
        anchor, last = claim.anchor, claim.last
        if anchor is None or await _still_there(claim.partition, anchor, bounds, self._log):
            claim.anchor = last  # only now: while the broker doesn't answer, the old one must stay the one to ask for
            return
        claim.lose()
        await claim.idle.wait()
        await self._session.ask(lambda store: store.fetch("restore_fingerprint", store.topic, claim.partition, *anchor))

    def _check_progress(self, claims: Sequence[Claim]) -> None:
        now = time.monotonic()
        self._positions = {claim: self._positions.get(claim, (-1, now)) for claim in claims}
        for claim, (position, since) in self._positions.items():
            waits = claim.state is ClaimState.READY and claim.position < claim.end_offset and self._has_room(claim)
            if not waits or claim.position != position:
                self._positions[claim] = (claim.position, now)
            elif now - since > self._config.stall_s:
                raise KafkaClientBroken(
                    f"partition {claim.partition}: nothing was fetched for {self._config.stall_s:g} s"
                )
