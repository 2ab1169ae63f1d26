"""The metrics in Prometheus format: counters of what was stored, and gauges computed from the state at each scrape."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumer.errors import StoreError
from consumer.model.batches import Batch, Stored
from consumer.model.claims import ClaimState
from consumer.telemetry.state import State

_BATCH_SIZES = (1, 10, 100, 500, 1000, 2000, 4000, 8000, 16000)


class Metrics:
    """The metrics of one consumer.

    Attributes:
        registry: serves all of them.
    """

    def __init__(self, state: State) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter("agent_runs_events_stored", "Events stored.", registry=self.registry)
        self._repeats = Counter("agent_runs_repeats", "Records already stored before.", registry=self.registry)
        self._rejections = Counter("agent_runs_dead_letters", "Records refused.", ["reason"], registry=self.registry)
        self._failures = Counter(
            "agent_runs_batch_failures", "Transactions that stored nothing.", ["error"], registry=self.registry
        )
        self._sizes = Histogram(
            "agent_runs_batch_records", "Records per transaction.", buckets=_BATCH_SIZES, registry=self.registry
        )
        self.registry.register(_Gauges(state))

    def stored(self, batch: Batch, stored: Stored) -> None:
        """Count a committed transaction."""
        self._events.inc(stored.events)
        self._repeats.inc(stored.repeats)
        self._sizes.observe(sum(slice_.records for slice_ in batch))
        for _, rejection in stored.new_dead_letters:
            self._rejections.labels(rejection.reason).inc()

    def failed(self, error: StoreError) -> None:
        """Count a transaction that stored nothing."""
        self._failures.labels(type(error).__name__).inc()


class _Gauges(Collector):
    """The gauges. A partition that is no longer assigned has no series at the next scrape."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        claims = self._state.claims
        yield _by_partition(
            "agent_runs_lag_records",
            "Records in the log, not stored yet.",
            {claim.partition: claim.lag for claim in claims},
        )
        yield _by_partition(
            "agent_runs_halted",
            "1: the partition waits for an operator.",
            {claim.partition: claim.state is ClaimState.HALTED for claim in claims},
        )


def _by_partition(name: str, text: str, values: dict[int, float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=["partition"])
    for partition, value in sorted(values.items()):
        gauge.add_metric([str(partition)], value)
    return gauge
