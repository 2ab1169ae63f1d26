"""A Kafka client that fetches less at a time while a broker's quota delays its fetches."""

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

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._largest: int = options["max_partition_fetch_bytes"]
        self._partitions_per_fetch: int = options["fetch_max_bytes"] // self._largest
        self._size = min(_FIRST_FETCH_BYTES, self._largest)
        self._undelayed = 0
        self._throttled_since: float | None = None
        self._delayed_at = -_REMEMBERED_S
        # The client ignores the delay in a response, and has no public interface for responses and sizes.
        self._send = self._client.send
        self._client.send = self._send_and_adapt

    async def start(self) -> None:
        """Connect, and fetch little at first."""
        await super().start()
        self._resize(self._size)

    @property
    def is_throttled(self) -> bool:
        """Whether a quota has delayed a fetch in the last minute."""
        return time.monotonic() - self._delayed_at < _REMEMBERED_S

    async def _send_and_adapt(self, node_id: Any, request: Any, **options: Any) -> Any:
        response = await self._send(node_id, request, **options)
        if isinstance(request, FetchRequest):
            self._adapt(getattr(response, "throttle_time_ms", 0))
        return response

    def _adapt(self, delay_ms: int) -> None:
        """Change the size of the next fetches after a response with this delay."""
        if delay_ms:
            self._delayed_at = time.monotonic()
        if delay_ms > _LONG_DELAY_MS:
            self._report_throttled(delay_ms)
            self._resize(max(_SMALLEST_FETCH_BYTES, self._size * _LONG_DELAY_MS // delay_ms))
        elif self._size < self._largest:
            self._undelayed += 1
            if self._undelayed >= _GROWS_AFTER:
                self._resize(min(self._largest, self._size * 2))
        else:
            self._report_unthrottled()

    def _resize(self, size: int) -> None:
        """Set the bytes of each partition in a fetch."""
        self._size, self._undelayed = size, 0
        self._fetcher._max_partition_fetch_bytes = size  # noqa: SLF001  # see the constructor
        self._fetcher._fetch_max_bytes = size * self._partitions_per_fetch  # noqa: SLF001

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
