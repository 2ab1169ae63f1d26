"""One member of the consumer group: joins, is assigned partitions, fetches records, commits offsets.

Kafka assigns the partitions; PostgreSQL holds the offsets from which they continue. So a partition is fetched only once
its claim is ready, and fetched records are dropped if their claim ended while the fetch was under way.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from agent_runs.kafka.decompression import decompression_limit
from agent_runs.kafka.errors import FetchTooLarge
from agent_runs.kafka.failures import note_accepted
from agent_runs.kafka.records import Record
from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.errors import CLIENT_ERRORS, RECORD_ERRORS, REQUEST_TIMEOUT_S, answered_within, member_error
from consumer.kafka.fetch_size import FetchSize
from consumer.kafka.group_client import group_client
from consumer.kafka.offset_committer import OffsetCommitter
from consumer.kafka.unreadable_records import UnreadableRecordSearch
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Fingerprint
from consumer.settings import TopicConfig

_log = structlog.get_logger()

_FETCH_WAIT_S: Final = 0.5
_SHORT_WAIT_S: Final = 0.02
# How long a rebalance waits for the transactions of revoked partitions. Not needed for safety, because stale offsets
# are refused; it saves the next owner from starting at offsets that are about to change.
_REVOKE_WAIT_S: Final = 3.0
_STOP_TIMEOUT_S: Final = 5.0


class Fetched(NamedTuple):
    """Consecutive records of a claim's partition, from `start_offset` up to, not including, `end_offset`."""

    claim: Claim
    start_offset: int
    end_offset: int
    records: Sequence[Record]


class GroupConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """One member of the consumer group, with one Kafka client.

    Attributes:
        is_member: the coordinator has admitted this member, perhaps without assigning a partition.
    """

    def __init__(self, kafka: KafkaSettings, config: TopicConfig, token: int | None = None) -> None:
        self._bootstrap_servers = kafka.bootstrap_servers
        self._config = config
        self.is_member = False
        self._claims: dict[int, Claim] = {}
        self._search = UnreadableRecordSearch()
        self._size = FetchSize()
        decompression_limit.set(config.decompression_limit)
        self._consumer = group_client(kafka, config, token)
        self._committer = OffsetCommitter(self._consumer)

    @property
    def claims(self) -> Collection[Claim]:
        """The claims of the partitions that are assigned to this member."""
        return self._claims.values()

    @property
    def is_throttled(self) -> bool:
        """Whether a broker's quota has delayed a fetch in the last minute."""
        return bool(self._consumer.is_throttled)

    async def start(self) -> None:
        """Connect and join the group.

        Raises:
            Unavailable: no broker answers.
        """
        try:
            async with answered_within(REQUEST_TIMEOUT_S):
                await self._consumer.start()
        except (Unavailable, asyncio.CancelledError):
            await self._disconnect()
            raise
        note_accepted(self._bootstrap_servers)
        self._consumer.subscribe([self._config.topic], listener=self)

    async def stop(self) -> None:
        """Commit the stored offsets, end all claims and leave the group, in some seconds at most."""
        await self._committer.commit(self._stored_offsets())
        for claim in self._claims.values():
            claim.revoke()
        self._claims.clear()
        await self._disconnect()

    async def _disconnect(self) -> None:
        try:  # with a deadline: the client waits without a limit for a broker that does not answer
            await asyncio.wait_for(self._consumer.stop(), _STOP_TIMEOUT_S)
        except CLIENT_ERRORS as error:
            text = "Could not leave the group cleanly; Kafka reassigns its partitions after the session timeout"
            _log.warning(text, action="stop", error=repr(error))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  # all of them
        """End all claims and wait a little for their transactions; called by the client when a rebalance starts."""
        claims, self._claims = list(self._claims.values()), {}
        for claim in claims:
            claim.revoke()
        if claims:
            await asyncio.wait({asyncio.create_task(claim.idle.wait()) for claim in claims}, timeout=_REVOKE_WAIT_S)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Create claims, whose partitions stay paused until `begin`; called by the client when a rebalance ends."""
        self.is_member = True
        self._consumer.pause(*assigned)
        self._claims = {tp.partition: Claim(tp.partition) for tp in assigned}
        self._committer.forget()
        _log.info("Partitions assigned", action="assigned", partitions=sorted(self._claims))

    def renew(self, claim: Claim) -> None:
        """Replace a claim by a new one, so that its partition starts again from the stored offset."""
        if self._claims.get(claim.partition) is claim:
            claim.revoke()
            self._consumer.pause(self._tp(claim))
            self._claims[claim.partition] = Claim(claim.partition)

    def begin(self, claim: Claim, offset: int, fingerprint: Fingerprint | None) -> None:
        """Make a claim ready: its partition is fetched from `offset` on. `fingerprint` is the stored one."""
        if self._claims.get(claim.partition) is claim:
            self._consumer.seek(self._tp(claim), offset)
            self._consumer.resume(self._tp(claim))
            claim.begin(offset, fingerprint)

    async def fetch(self, has_room: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
        """Up to `max_records` records of the ready claims that have room; waits a little for the first of them.

        Raises:
            KafkaClientBroken: the client must be replaced; a MemberRefused if the coordinator refuses this member.
            UsageError: the coordinator refuses a setting.
        """
        ready = [claim for claim in self._claims.values() if claim.fetchable]
        alone = self._search.next(ready)
        claims = [claim for claim in ([alone] if alone else ready) if has_room(claim)]
        if not claims:
            await self._wait_for_claims(ready)
            return []
        # A short wait while some lane is full: its partitions are fetched soon after it has room again.
        wait_s = _FETCH_WAIT_S if alone or len(claims) == len(ready) else _SHORT_WAIT_S
        most = self._size.begin(1 if alone else max_records)
        try:
            records = await self._poll(claims, wait_s, most)
        except FetchTooLarge:
            self._size.shrink(most)
            return []
        except Exception as error:  # noqa: BLE001  # parsing a record batch raises more than the client's own errors
            self._handle_fetch_error(claims, alone, error)
            return []
        self._size.grow()
        if alone:
            self._search.on_read(alone, len(records.get(self._tp(alone), ())))
        fetched = [
            await self._advance(claim, records.get(self._tp(claim), ())) for claim in claims if self._is_current(claim)
        ]
        return [each for each in fetched if each.end_offset > each.start_offset]

    async def _wait_for_claims(self, ready: Sequence[Claim]) -> None:
        """Wait a little, and raise an error of the coordinator if there is one.

        The client keeps such an error until the next fetch, and does not try to join again before. So a member without
        ready claims fetches too, from its other partitions. They are paused, so that it gets no records of them.
        """
        others = [self._tp(claim) for claim in self._claims.values() if claim not in ready]
        if ready and not others:
            return await asyncio.sleep(_SHORT_WAIT_S)
        try:
            self._consumer.pause(*others)
            await self._consumer.getmany(*others, timeout_ms=int(_SHORT_WAIT_S * 1000), max_records=1)
        except Exception as error:  # noqa: BLE001  # parsing a record batch raises more than the client's own errors
            # An error of a record is of a response from before the pause. The record is fetched again with its claim.
            if isinstance(error, KafkaError) and not isinstance(error, RECORD_ERRORS):
                self._handle_fetch_error([], None, error)
            await asyncio.sleep(_SHORT_WAIT_S)

    async def _poll(self, claims: Sequence[Claim], wait_s: float, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Fetch from the claims' positions.

        The client's position may differ: if a partition was revoked and assigned again during a fetch, the records
        were dropped with the old claim, but the client's position is behind them.
        """
        for claim in claims:
            if await self._consumer.position(self._tp(claim)) != claim.position:
                self._consumer.seek(self._tp(claim), claim.position)
        tps = map(self._tp, claims)
        records: dict[TopicPartition, list[Any]]
        records = await self._consumer.getmany(*tps, timeout_ms=int(wait_s * 1000), max_records=max_records)
        return records

    def _tp(self, claim: Claim) -> TopicPartition:
        return TopicPartition(self._config.topic, claim.partition)

    def _is_current(self, claim: Claim) -> bool:
        return self._claims.get(claim.partition) is claim and claim.state is ClaimState.READY

    async def _advance(self, claim: Claim, records: Sequence[Any]) -> Fetched:
        """Move the claim to the client's position, which also passes transaction markers and aborted records."""
        tp = self._tp(claim)
        start_offset, end_offset = claim.position, await self._consumer.position(tp)
        claim.fetched(end_offset, self._consumer.last_stable_offset(tp) or 0)
        return Fetched(claim, start_offset, end_offset, records)

    def _handle_fetch_error(self, claims: Sequence[Claim], alone: Claim | None, error: Exception) -> None:
        """Decide what a failed fetch means. Its positions may have moved: the next fetch seeks back."""
        match error:
            case OffsetOutOfRangeError():
                for claim in claims:
                    if self._tp(claim) in error.args[0]:
                        self.renew(claim)
            case NoOffsetForPartitionError():
                pass  # the response to a request from before the claim was ready
            case KafkaError() if not isinstance(error, RECORD_ERRORS):
                if not error.retriable:
                    raise member_error(error, self._config) from error
            case _ if alone is None:
                partitions, text = [claim.partition for claim in claims], "A record cannot be read; searching for it"
                _log.warning(text, action="unreadable", partitions=partitions, error=repr(error))
                self._search.start(claims)
            case _ if self._search.on_failure():
                alone.halt_when_stored(f"the record at offset {alone.position} cannot be read: {error!r}")

    def commit_offsets(self) -> None:
        """Commit the stored offsets to Kafka in the background, for tools that show lag. The service ignores them."""
        self._committer.commit_later(self._stored_offsets())

    def _stored_offsets(self) -> dict[TopicPartition, int]:
        return {self._tp(c): c.next_offset for c in self._claims.values() if c.state is ClaimState.READY}
