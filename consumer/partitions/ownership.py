"""Starts the partitions that the group assigns to this process, and checks those that are consumed.

PostgreSQL holds the offset to start from; the log shows whether the records after it still exist.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from consumer.errors import DataRefused, KafkaClientBroken, NewConnection, Unavailable
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.claims import Claim, ClaimState
from consumer.partitions.circuit_breaker import tripped_partitions
from consumer.partitions.lost_offsets import holds_record, lost_offsets
from consumer.postgres.session import Connect, Session
from consumer.postgres.store import Offsets
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import Config

_log = structlog.get_logger()

_TICK_S: Final = 0.05


class Ownership:
    """Starts new claims, and checks started and halted claims every `watch_interval_s`."""

    def __init__(
        self,
        group_consumer: GroupConsumer,
        topic_reader: TopicReader,
        connect: Connect,
        config: Config,
        has_room: Callable[[Claim], bool],
    ) -> None:
        self._group_consumer = group_consumer
        self._topic_reader = topic_reader
        self._session = Session(connect, config.database.timeout_s)
        self._stalled_owner_s = config.database.stalled_owner_s
        self._config = config.topic
        self._ingest = config.ingest
        self._has_room = has_room
        self._checked_at = time.monotonic()
        self._positions: dict[Claim, tuple[int, float]] = {}

    async def run(self) -> None:
        """Start and check claims until cancelled.

        Raises:
            KafkaClientBroken: the log has records that the group's client does not return.
        """
        while True:
            await asyncio.sleep(_TICK_S)
            await retry_while_unavailable(self._tick, "start and check partitions")

    def close(self) -> None:
        """Close the connection to PostgreSQL."""
        self._session.close()

    async def _tick(self) -> None:
        try:
            await self._start_claims()
            if time.monotonic() - self._checked_at >= self._config.watch_interval_s:
                self._checked_at = time.monotonic()
                await self._check_claims()
        except (Unavailable, NewConnection) as error:
            self.close()  # after a failover, this connection may still be to a read-only server
            raise Unavailable(str(error)) from error

    async def _start_claims(self) -> None:
        for claim in [claim for claim in self._group_consumer.claims if claim.state is ClaimState.REVOKED]:
            self._group_consumer.renew(claim)
        new = [claim for claim in self._group_consumer.claims if claim.state is ClaimState.NEW]
        if new:
            partitions = [claim.partition for claim in new]
            # Before the first batch, which would wait for the locks until `lock_timeout_s` has passed.
            await self._session.run(lambda store: store.terminate_stalled_owner(partitions, self._stalled_owner_s))
            # The offsets are read before the bounds: both only grow, and another owner may still store records. In the
            # other order, an offset that was stored in between would seem to be beyond the end of the log.
            try:
                offsets = await self._stored_offsets(partitions)
            except DataRefused as error:
                for claim in new:
                    claim.halt(f"PostgreSQL refuses to store the offset at which the partition starts: {error}")
                return
            bounds = await self._topic_reader.bounds(partitions)
            tripped = await self._tripped([offsets[partition] for partition in partitions])
            for claim in new:
                stored = offsets[claim.partition]
                lost = await lost_offsets(stored, bounds[claim.partition], self._topic_reader)
                self._start(claim, stored, bounds[claim.partition], lost or tripped.get(claim.partition))

    async def _stored_offsets(self, partitions: Sequence[int]) -> dict[int, Offsets]:
        """Return the stored offsets. For a partition that has none, first stores the start of its log as its offset.

        Raises:
            DataRefused: an object that was added to the table refuses a row, or leaves it out.
        """
        offsets = await self._session.run(lambda store: store.offsets())
        unseen = sorted(set(partitions) - offsets.keys())
        if not unseen:
            return offsets
        if any(known.next_offset > known.first_offset for known in offsets.values()):
            _log.warning(
                "Partitions were added: runs whose key now maps to another partition are split; `verify` lists them",
                action="partitions_added",
                partitions=unseen,
            )
        bounds = await self._topic_reader.bounds(unseen)
        starts = [bounds[partition].start_offset for partition in unseen]
        await self._session.run(lambda store: store.fetch("begin_partitions", store.topic, unseen, starts))
        offsets = await self._session.run(lambda store: store.offsets())
        if left_out := sorted(set(unseen) - offsets.keys()):
            raise DataRefused(
                f"PostgreSQL left out the rows of partitions {left_out} of consumer_offsets, as a trigger can do"
            )
        return offsets

    async def _tripped(self, stored: Sequence[Offsets]) -> dict[int, str]:
        return await self._session.run(lambda store: tripped_partitions(store, self._ingest, stored))

    def _start(self, claim: Claim, stored: Offsets, bounds: Bounds, problem: str | None) -> None:
        if problem is None:
            self._group_consumer.begin(claim, stored.next_offset, stored.fingerprint)
            claim.report_end_offset(bounds.end_offset)
        else:
            claim.halt(problem)

    async def _check_claims(self) -> None:
        claims = list(self._group_consumer.claims)
        if not claims:
            return
        bounds = await self._topic_reader.bounds(claim.partition for claim in claims)
        for claim in claims:
            claim.report_end_offset(bounds[claim.partition].end_offset)
            if claim.state is ClaimState.HALTED:
                await self._check_halted(claim, bounds[claim.partition])
            elif claim.state is ClaimState.READY:
                await self._check_anchor(claim, bounds[claim.partition])
        self._check_progress(claims)

    async def _check_halted(self, claim: Claim, bounds: Bounds) -> None:
        """Replace the claim by a new one, unless records are lost or the circuit breaker still trips.

        A claim that is halted for another reason, such as an unreadable record, is tried again in any case.
        """
        stored = (await self._session.run(lambda store: store.offsets())).get(claim.partition)
        if stored is None or (
            await lost_offsets(stored, bounds, self._topic_reader) is None and not await self._tripped([stored])
        ):
            self._group_consumer.renew(claim)

    async def _check_anchor(self, claim: Claim, bounds: Bounds) -> None:
        """Revoke the claim if the log no longer holds its anchor.

        A topic can be deleted and created again while it is consumed. The client identifies topics by name only, and
        continues at its offset when the new log has grown to it. Records stored after the anchor then belong to the new
        log. The stored fingerprint is set back to the anchor, so that every later owner finds the difference and halts.
        """
        # The fingerprint is read before the log: a record that is stored meanwhile may belong to the next log.
        anchor, fingerprint = claim.anchor, claim.fingerprint
        if anchor is None or await holds_record(claim.partition, anchor, bounds, self._topic_reader):
            claim.move_anchor(fingerprint)  # after the check: if it fails, the old anchor must be checked next time
            return
        claim.revoke()
        await claim.idle.wait()
        await self._session.run(lambda store: store.fetch("restore_fingerprint", store.topic, claim.partition, *anchor))

    def _check_progress(self, claims: Sequence[Claim]) -> None:
        """Raise KafkaClientBroken if a claim has unread records and room, but nothing was fetched for `stall_s`.

        A client that a quota throttles is not broken: its other partitions may have used the quota.
        """
        now = time.monotonic()
        self._positions = {claim: self._positions.get(claim, (-1, now)) for claim in claims}
        for claim, (position, since) in self._positions.items():
            fetchable = claim.fetchable and claim.position < claim.end_offset and self._has_room(claim)
            if not fetchable or claim.position != position:
                self._positions[claim] = (claim.position, now)
            elif now - since > self._config.stall_s and not self._group_consumer.is_throttled:
                raise KafkaClientBroken(
                    f"partition {claim.partition}: nothing was fetched for {self._config.stall_s:g} s"
                )
