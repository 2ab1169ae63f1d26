"""A Kafka client that fetches less at a time while a broker's quota delays its fetches."""

# ruff: noqa: SLF001  # the client has no public interface to the sizes of its fetches

import time
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.fetch import FetchRequest

_log = structlog.get_logger()

_LONG_DELAY_MS: Final = 500
_FIRST_FETCH_BYTES: Final = 16 * 1024
_SMALLEST_FETCH_BYTES: Final = 4 * 1024
_GROWS_AFTER: Final = 8  # responses without a long delay
_REMEMBERED_S: Final = 60.0


class ThrottledConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # the client has no types
    """A client that adapts the size of its fetches to the brokers' quotas.

    A broker answers a fetch that exceeds the client's quota with no records and a delay, and does not read from the
    connection meanwhile. But one fetch may take all that the quota allows in ten seconds. One or two partitions fill
    such a fetch, and others get no records for minutes. So the first fetches are small, and the next ones larger until
    a delay is longer than half a second; then they become smaller in proportion.

    A batch is returned whole, however large it is. So the size of the batches bounds how even the progress becomes.
    """

    _client: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._fetch_size = ThrottledFetchSize(options["max_partition_fetch_bytes"])
        self._client = _SizedFetches(self._client, self._fetch_size)

    @property
    def is_throttled(self) -> bool:
        """Whether a quota has delayed a fetch in the last minute."""
        return self._fetch_size.is_throttled


class ThrottledFetchSize:
    """Chooses how many bytes of each partition a fetch returns at most.

    Attributes:
        size_bytes: for the next fetch.
    """

    def __init__(self, largest_bytes: int) -> None:
        self._largest_bytes = largest_bytes
        self.size_bytes = min(_FIRST_FETCH_BYTES, largest_bytes)
        self._undelayed = 0
        self._throttled_since: float | None = None
        self._delayed_at = -_REMEMBERED_S

    @property
    def is_throttled(self) -> bool:
        """Whether a quota has delayed a fetch in the last minute."""
        return time.monotonic() - self._delayed_at < _REMEMBERED_S

    def adapt(self, delay_ms: int) -> None:
        """Change the size after a response with this delay."""
        if delay_ms:
            self._delayed_at = time.monotonic()
        if delay_ms > _LONG_DELAY_MS:
            self._report_throttled(delay_ms)
            self.size_bytes = max(_SMALLEST_FETCH_BYTES, self.size_bytes * _LONG_DELAY_MS // delay_ms)
            self._undelayed = 0
        elif self.size_bytes < self._largest_bytes:
            self._undelayed += 1
            if self._undelayed % _GROWS_AFTER == 0:
                self.size_bytes = min(self._largest_bytes, self.size_bytes * 2)
        else:
            self._report_unthrottled()

    def _report_throttled(self, delay_ms: int) -> None:
        if self._throttled_since is None:
            self._throttled_since = time.monotonic()
            text = "A broker's quota delays the fetches of this consumer; fetching less at a time"
            _log.warning(text, action="throttled", delay_s=round(delay_ms / 1000, 1))

    def _report_unthrottled(self) -> None:
        if self._throttled_since is not None and not self.is_throttled:
            after_s = round(time.monotonic() - self._throttled_since, 1)
            self._throttled_since = None
            _log.info("No quota has delayed a fetch for a minute", action="unthrottled", after_s=after_s)


class _SizedFetches:
    """The connections of a client, over which fetches are sent with the chosen size.

    The client has no public interface for this: it ignores the delay in a response, and its sizes are fixed.
    """

    def __init__(self, client: Any, fetch_size: ThrottledFetchSize) -> None:
        self._client = client
        self._fetch_size = fetch_size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        """Send a request and return the response."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **options)
        response = await self._client.send(node_id, _resized(request, self._fetch_size.size_bytes), **options)
        self._fetch_size.adapt(getattr(response, "throttle_time_ms", 0))
        return response


def _resized(request: FetchRequest, size_bytes: int) -> FetchRequest:
    """Return the request for at most `size_bytes` of each partition, and in all for as many partitions as before."""
    size_before = request.topics[0][1][0][2]  # the same for all partitions
    return FetchRequest(
        request._max_wait_ms,
        request._min_bytes,
        request._max_bytes * size_bytes // size_before,
        request._isolation_level,
        [(topic, [(*position, size_bytes) for *position, _ in partitions]) for topic, partitions in request.topics],
        request._rack_id,
    )
