"""How far the topic is stored, and which records were refused: read once for all pages that show it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Generic, Literal, TypeVar

import msgspec

from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable, SettingsError
from agent_runs.kafka.topic_ends import Lag, read_lag
from agent_runs.reader import PartitionStatus, Reader

_FRESH_S: Final = 1.0  # of what PostgreSQL has
_FRESH_LAG_S: Final = 5.0
_LAG_S: Final = 5.0  # the deadline of Kafka
_STALL_S: Final = 60.0  # as the default of AGENT_RUNS_STALL_S
_T = TypeVar("_T")


class PartitionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far a partition is stored, and how far its log goes.

    Attributes:
        topic: the topic.
        partition: the partition.
        next_offset: the offset after the last record that is stored; null if none of it was consumed.
        last_record_at: the timestamp of that record.
        stored_at: when it was stored, by PostgreSQL's clock.
        state: `ok`; `behind`: records wait; `stalled`: records wait, and none was stored for 60 s: the partition is
            halted, or no consumer runs; `lost`: the log no longer has records that are not stored, so the partition
            is halted; `unknown`: Kafka cannot be asked.
        lag_records: how many records wait; null if unknown.
        lag_seconds: the age of the first of them; 0 if none waits.
        log_start: the first offset of the log.
        log_end: the offset after its last record.
    """

    topic: str
    partition: int
    next_offset: int | None
    last_record_at: datetime | None
    stored_at: datetime | None
    state: Literal["ok", "behind", "stalled", "lost", "unknown"]
    lag_records: int | None = None
    lag_seconds: float | None = None
    log_start: int | None = None
    log_end: int | None = None


class OperationsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far the topics are stored, and how many dead letters are open.

    Attributes:
        partitions: those of the viewer's topic, and those of other topics that were consumed into the database.
        lag_problem: why the lag is not known; null if it is.
        dead_letters: how many dead letters are open, by reason; of more than 10,000, only 10,001 are counted.
    """

    partitions: list[PartitionDocument]
    lag_problem: str | None
    dead_letters: dict[str, int]


class _Shared(Generic[_T]):
    """A result that is read at most once in some seconds, however many ask for it."""

    def __init__(self, read: Callable[[], Awaitable[_T]], fresh_s: float) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._result: _T

    async def get(self) -> _T:
        """Return the result; read it if it is old."""
        async with self._lock:
            if time.monotonic() - self._read_at >= self._fresh_s:
                self._result = await self._read()
                self._read_at = time.monotonic()
            return self._result


class Operations:
    """Reads how far the topics are stored.

    Args:
        reader: reads PostgreSQL.
        config: how to reach Kafka, and the topic; None: the lag is not known.
    """

    def __init__(self, reader: Reader, config: Config | None) -> None:
        self._reader = reader
        self._config = config
        self._stored = _Shared(self._read_stored, _FRESH_S)
        self._lag = _Shared(self._read_lag, _FRESH_LAG_S)

    async def read(self) -> OperationsDocument:
        """Return what is known.

        Raises:
            ReaderError: PostgreSQL cannot be read.
        """
        stored, letters = await self._stored.get()
        lag = await self._lag.get()
        topic = None if self._config is None else self._config.emitter.topic
        known = {(each.topic, each.partition): each for each in stored}
        found = {} if topic is None or isinstance(lag, str) else {(topic, number): each for number, each in lag.items()}
        return OperationsDocument(
            partitions=[
                partition_document(place, known.get(place), found.get(place)) for place in sorted({*known, *found})
            ],
            lag_problem=lag if isinstance(lag, str) else None,
            dead_letters=letters,
        )

    async def _read_stored(self) -> tuple[list[PartitionStatus], dict[str, int]]:
        partitions = (await self._reader.store_status()).partitions
        return partitions, await self._reader.dead_letters.count_by_reason()

    async def _read_lag(self) -> dict[int, Lag] | str:
        """Return the lag of each partition of the topic, or why it is not known."""
        if self._config is None:
            return "The lag is not known: start the viewer with KAFKA_BOOTSTRAP_SERVERS."
        topic = self._config.emitter.topic
        partitions, _ = await self._stored.get()
        offsets = {each.partition: each.next_offset for each in partitions if each.topic == topic}
        try:
            async with asyncio.timeout(_LAG_S):
                return await read_lag(self._config.kafka, topic, offsets)
        except (KafkaUnavailable, SettingsError) as error:
            return f"The lag is not known: {error}."
        except TimeoutError:
            return f"The lag is not known: Kafka did not answer within {_LAG_S:g} s."


def partition_document(place: tuple[str, int], stored: PartitionStatus | None, lag: Lag | None) -> PartitionDocument:
    """Return what is known about a partition.

    Args:
        place: the topic and the partition.
        stored: how far it is stored; None if none of it was consumed.
        lag: the rest of its log; None if it is not known.
    """
    now = datetime.now(UTC)
    seconds = None
    if lag is not None:
        seconds = 0.0 if lag.records == 0 else None if lag.oldest_at is None else (now - lag.oldest_at).total_seconds()
    return PartitionDocument(
        topic=place[0],
        partition=place[1],
        next_offset=None if stored is None else stored.next_offset,
        last_record_at=None if stored is None else stored.last_record_at,
        stored_at=None if stored is None else stored.stored_at,
        state=_state(stored, lag, seconds, now),
        lag_records=None if lag is None else lag.records,
        lag_seconds=seconds if seconds is None else max(0.0, seconds),
        log_start=None if lag is None else lag.log_start,
        log_end=None if lag is None else lag.log_end,
    )


def _state(
    stored: PartitionStatus | None, lag: Lag | None, seconds: float | None, now: datetime
) -> Literal["ok", "behind", "stalled", "lost", "unknown"]:
    if lag is None:
        return "unknown"
    if stored is not None and not lag.log_start <= stored.next_offset <= lag.log_end:
        return "lost"
    if lag.records == 0:
        return "ok"
    idle_s = _STALL_S if stored is None else (now - stored.stored_at).total_seconds()
    return "stalled" if idle_s >= _STALL_S and (seconds is None or seconds >= _STALL_S) else "behind"
