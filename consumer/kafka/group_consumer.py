"""The topic as a member of the consumer group sees it.

Kafka says which partitions are ours; PostgreSQL says where they go on. So a partition is fetched from only once its
claim is ready, and what a fetch brought is dropped unless the claim that asked for it still stands.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    UnsupportedCodecError,
)

from agent_runs.kafka_options import client_options
from agent_runs.settings import KafkaSettings
from consumer.config import CLIENT_ID, TopicConfig
from consumer.errors import KafkaClientBroken, Unavailable
from consumer.kafka.poison import PoisonSearch
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Fingerprint, Record

_log = structlog.get_logger()

_FETCH_WAIT_S: Final = 0.5
_SHORT_WAIT_S: Final = 0.02
# How long a revoked partition's transaction may take to end before the group goes on without waiting for it. The next
# owner is safe either way: this only spares it a stale start.
_REVOKE_WAIT_S: Final = 3.0
_FETCH_MAX_WAIT_MS: Final = 50
_PARTITIONS_A_FETCH: Final = 4
_ADVISE_INTERVAL_S: Final = 1.0
_ADVISE_TIMEOUT_S: Final = 2.0
_STOP_TIMEOUT_S: Final = 5.0
_OF_RECORDS: Final = (CorruptRecordException, RecordTooLargeError, UnsupportedCodecError)


class Fetched(NamedTuple):
    """Consecutive records of a claim's partition, from `start_offset` up to, not including, `end_offset`."""

    claim: Claim
    start_offset: int
    end_offset: int
    records: Sequence[Record]


class GroupConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """One member of the group."""

    def __init__(self, kafka: KafkaSettings, config: TopicConfig) -> None:
        self._config = config
        self._claims: dict[int, Claim] = {}
        self._suspects = PoisonSearch()
        self._advised: dict[int, int] = {}
        self._advice: asyncio.Task[None] | None = None
        self._advise_at = 0.0
        session_ms = int(config.session_timeout_s * 1000)
        self._consumer = AIOKafkaConsumer(
            **client_options(kafka, CLIENT_ID),
            group_id=config.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=config.fetch_bytes,
            # A broker answers a connection's requests one after the other. While one partition's records wait to be
            # taken, the others are asked for; with Kafka's half a second the first then stands still for as long.
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            # An answer is held three times while it is taken apart: without this, for all partitions at once.
            fetch_max_bytes=_PARTITIONS_A_FETCH * config.fetch_bytes,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, session_ms // 10),
            rebalance_timeout_ms=max(session_ms, 10_000),
            # How soon it notices partitions that were added, and a topic that was deleted and made anew.
            metadata_max_age_ms=int(config.watch_interval_s * 1000),
            # A consumer that waits for PostgreSQL is alive: it must not leave the group for it.
            max_poll_interval_ms=2**31 - 1,
        )

    @property
    def claims(self) -> Collection[Claim]:
        """The partitions that are ours now."""
        return self._claims.values()

    async def start(self) -> None:
        """Join the group.

        Raises:
            Unavailable: no broker answers.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise Unavailable(f"Kafka: {error}") from error
        except asyncio.CancelledError:
            await self._disconnect()
            raise
        self._consumer.subscribe([self._config.topic], listener=self)

    async def stop(self) -> None:
        """Leave the group; within a deadline, for the client waits without one for a broker that is gone."""
        await self._commit()
        for claim in self._claims.values():
            claim.revoke()
        self._claims.clear()
        await self._disconnect()

    async def _disconnect(self) -> None:
        try:
            await asyncio.wait_for(self._consumer.stop(), _STOP_TIMEOUT_S)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("Left the group without a word", action="stop", error=repr(error))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  # all of them
        """The group is being shared out anew."""
        claims = list(self._claims.values())
        self._claims.clear()
        for claim in claims:
            claim.revoke()
        if claims:
            await asyncio.wait({asyncio.create_task(claim.idle.wait()) for claim in claims}, timeout=_REVOKE_WAIT_S)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """These are ours now. Only noted here: where they begin must be asked first, and this must not wait."""
        self._consumer.pause(*assigned)
        self._claims = {tp.partition: Claim(tp.partition) for tp in assigned}
        self._advised.clear()
        _log.info("Partitions assigned", action="assigned", partitions=sorted(self._claims))

    def renew(self, claim: Claim) -> None:
        """Begin anew with a partition that is ours, from what PostgreSQL says of it now."""
        if self._claims.get(claim.partition) is claim:
            claim.revoke()
            self._consumer.pause(self._tp(claim))
            self._claims[claim.partition] = Claim(claim.partition)

    def begin(self, claim: Claim, offset: int, fingerprint: Fingerprint | None) -> None:
        """Fetch a claim's partition from this offset on."""
        if self._claims.get(claim.partition) is claim:
            self._consumer.seek(self._tp(claim), offset)
            self._consumer.resume(self._tp(claim))
            claim.begin(offset, fingerprint)

    async def fetch(self, wanted: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
        """What has come for the ready claims that are wanted; waits a little for the first of it.

        Raises:
            KafkaClientBroken: the client must be made anew.
        """
        ready = [claim for claim in self._claims.values() if claim.state is ClaimState.READY]
        suspect = self._suspects.next(ready)
        asked = [claim for claim in ([suspect] if suspect else ready) if wanted(claim)]
        if not asked:
            await asyncio.sleep(_SHORT_WAIT_S)
            return []
        # Short while some lane is full: when it has room again, its partitions should be asked for soon.
        wait_s = _FETCH_WAIT_S if suspect or len(asked) == len(ready) else _SHORT_WAIT_S
        try:
            arrived = await self._ask(asked, wait_s, 1 if suspect else max_records)
        except Exception as error:  # noqa: BLE001  # decoding a record batch raises more than the client's own errors
            self._recover(asked, suspect, error)
            return []
        if suspect:
            self._suspects.read(suspect, len(arrived.get(self._tp(suspect), ())))
        fetched = [await self._take(claim, arrived.get(self._tp(claim), ())) for claim in asked if self._stands(claim)]
        return [part for part in fetched if part.end_offset > part.start_offset]

    async def _ask(self, claims: Sequence[Claim], wait_s: float, max_records: int) -> Any:
        """Fetch, from where the claims stand.

        The client may stand elsewhere: a fetch that was under way while its partition was taken and given back returns
        records of the new claim for the old one. They are dropped, but the client is past them.
        """
        for claim in claims:
            if await self._consumer.position(self._tp(claim)) != claim.position:
                self._consumer.seek(self._tp(claim), claim.position)
        tps = map(self._tp, claims)
        return await self._consumer.getmany(*tps, timeout_ms=int(wait_s * 1000), max_records=max_records)

    def _tp(self, claim: Claim) -> TopicPartition:
        return TopicPartition(self._config.topic, claim.partition)

    def _stands(self, claim: Claim) -> bool:
        return self._claims.get(claim.partition) is claim and claim.state is ClaimState.READY

    async def _take(self, claim: Claim, records: Sequence[Any]) -> Fetched:
        """The records, and the client's position behind them: it also passes what is never shown (aborted, markers)."""
        tp = self._tp(claim)
        start_offset, end_offset = claim.position, await self._consumer.position(tp)
        claim.fetched(end_offset, self._consumer.last_stable_offset(tp) or 0)
        return Fetched(claim, start_offset, end_offset, records)

    def _recover(self, asked: Sequence[Claim], suspect: Claim | None, error: Exception) -> None:
        """Nothing was returned; where positions have moved all the same, the next fetch goes back."""
        match error:
            case OffsetOutOfRangeError():
                for claim in asked:
                    if self._tp(claim) in error.args[0]:
                        self.renew(claim)
            case NoOffsetForPartitionError():
                pass  # left over from before the claim began
            case KafkaError() if not isinstance(error, _OF_RECORDS):
                if not error.retriable:
                    raise KafkaClientBroken(repr(error)) from error
            case _ if suspect is None:
                partitions = [claim.partition for claim in asked]
                _log.warning("A record cannot be read", action="unreadable", partitions=partitions, error=repr(error))
                self._suspects.accuse(asked)
            case _ if self._suspects.failed():
                suspect.halt(f"the record at offset {suspect.position} cannot be read: {error!r}")

    def advise(self) -> None:
        """Tell Kafka what is stored, for tools that show lag; nothing of ours ever reads it."""
        now = asyncio.get_running_loop().time()
        if now >= self._advise_at and (self._advice is None or self._advice.done()):
            self._advise_at = now + _ADVISE_INTERVAL_S
            self._advice = asyncio.create_task(self._commit())

    async def _commit(self) -> None:
        news = {
            self._tp(claim): claim.next_offset
            for claim in self._claims.values()
            if claim.state is ClaimState.READY and self._advised.get(claim.partition) != claim.next_offset
        }
        if not news:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(news), _ADVISE_TIMEOUT_S)
            self._advised |= {tp.partition: offset for tp, offset in news.items()}
        except (KafkaError, TimeoutError) as error:
            _log.debug("Kafka did not take our advice", action="advise", error=repr(error))
