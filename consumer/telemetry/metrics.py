"""The metrics in Prometheus format: counters of what was stored, and gauges computed from the state at each scrape."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumer.errors import StoreError
from consumer.model.batches import Batch, Stored
from consumer.model.claims import Claim, ClaimState
from consumer.model.topic_status import TopicStatus
from consumer.telemetry.state import State
from consumer.telemetry.topic_state import TopicState

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
        """Return the gauges with their present values; called at each scrape, in a thread of the HTTP server."""
        claims, topic = self._state.claims, self._state.topic
        yield _by_partition("agent_runs_lag_records", "Records in the log, not stored yet.", topic.lags(claims))
        text = "Age of the oldest record that is not stored."
        yield _by_partition("agent_runs_lag_seconds", text, topic.lag_seconds(claims))
        halted = {claim.partition: claim.state is ClaimState.HALTED for claim in claims}
        yield _by_partition("agent_runs_halted", "1: the partition waits for an operator.", halted)
        if topic.status is not None:
            yield from _of_topic(topic, topic.status, claims)


def _of_topic(topic: TopicState, status: TopicStatus, claims: Sequence[Claim]) -> Iterable[Metric]:
    if status.owners_known:
        unowned = topic.unowned(claims)
        is_unowned = {each.partition: each.partition in unowned for each in status.partitions}
        yield _by_partition("agent_runs_unowned", "1: no member of the group owns the partition.", is_unowned)
    ages = {partition: age_s for partition, (_, age_s) in topic.open_transactions(claims).items()}
    text = "Age of the open transaction that blocks the partition; 0: none."
    values = {each.partition: ages.get(each.partition, 0) for each in status.partitions}
    yield _by_partition("agent_runs_open_transaction_seconds", text, values)
    name = "agent_runs_open_dead_letters"
    yield GaugeMetricFamily(name, "Open dead letters, at most 10,000.", status.open_dead_letters)
    text = "Age of the oldest open dead letter; 0: none is open."
    age_s = status.oldest_dead_letter_s or 0.0
    yield GaugeMetricFamily("agent_runs_oldest_open_dead_letter_seconds", text, age_s)


def _by_partition(name: str, text: str, values: Mapping[int, float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=["partition"])
    for partition, value in sorted(values.items()):
        gauge.add_metric([str(partition)], value)
    return gauge
