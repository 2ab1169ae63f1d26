"""Deliberate bugs in the service (mutations). The simulation must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count, islice
from typing import Any

import pytest

from agent_runs.codec.records import Reason
from consumer.errors import ConnectionLost
from consumer.ingest.transaction import Transaction
from consumer.kafka.group_consumer import GroupConsumer
from consumer.lanes.queue import Queue
from consumer.lanes.recovery import Recovery
from consumer.model.batches import Batch, Slice, Stored
from consumer.model.claims import Claim
from consumer.model.records import Fingerprint, Rejection
from consumer.partitions import ownership
from consumer.postgres.store import Store
from tests.simulation.environment import simulated_clients
from tests.simulation.schedule import play

Patch = Callable[[Any, str, Any], None]  # as pytest's monkeypatch.setattr


def no_compare_and_set(patch: Patch) -> None:
    """A batch is written without a comparison of its start with the stored offsets."""

    async def move_offsets(self: Transaction, batch: Batch) -> None:
        stored = await self._store.offsets()
        moves = (
            (s.claim.partition, stored[s.claim.partition].next_offset, s.end_offset, *(s.fingerprint or (None, None)))
            for s in batch
        )
        await self._store.fetch("move_offsets", self._topic, *map(list, zip(*moves, strict=True)))

    patch(Transaction, "move_offsets", move_offsets)


def revoked_claims_receive_records(patch: Patch) -> None:
    """Fetched records are passed to the claims that requested them, even if a claim was revoked meanwhile."""
    patch(GroupConsumer, "_is_current", lambda self, claim: True)


def no_seek_back(patch: Patch) -> None:
    """A fetch does not seek to the positions of its claims first."""

    async def poll(self: GroupConsumer, claims: Sequence[Claim], wait_s: float, max_records: int) -> Any:
        tps = map(self._tp, claims)
        return await self._consumer.getmany(*tps, timeout_ms=int(wait_s * 1000), max_records=max_records)

    patch(GroupConsumer, "_poll", poll)


def unanswered_commits_count_as_committed(patch: Patch) -> None:
    """After a connection is lost during COMMIT, the batch counts as committed without a look at the offsets."""

    async def succeed_all(self: Recovery, error: ConnectionLost, queues: Sequence[Queue]) -> None:
        self._writer.disconnect()
        for queue in queues:
            queue.succeed(Stored(0, [], 0))

    patch(Recovery, "_resolve_ambiguous_commit", succeed_all)


def stale_claims_are_not_renewed(patch: Patch) -> None:
    """A claim whose batch found other offsets stored is not started again."""
    patch(GroupConsumer, "renew", lambda self, claim: None)


def repeats_are_counted_twice(patch: Patch) -> None:
    count = Transaction.count_repeats

    async def count_twice(self: Transaction, repeats: Mapping[int, int]) -> None:
        await count(self, {partition: 2 * number for partition, number in repeats.items()})

    patch(Transaction, "count_repeats", count_twice)


def stalled_owners_are_not_terminated(patch: Patch) -> None:
    """The backend of a frozen process that holds the offsets is not terminated."""

    async def terminate_none(self: Store, partitions: Sequence[int], older_than_s: float) -> list[int]:
        return []

    patch(Store, "terminate_stalled_owner", terminate_none)


def lost_offsets_are_not_detected(patch: Patch) -> None:
    """A claim starts without the check that the log still holds what the stored offset continues."""

    async def find_nothing(*_: object) -> None: ...

    patch(ownership, "lost_offsets", find_nothing)


def partitions_start_at_committed_offsets(patch: Patch) -> None:
    """The first fetch starts at the group's committed offset, not at the stored one."""

    def begin_without_seek(self: GroupConsumer, claim: Claim, offset: int, fingerprint: Fingerprint | None) -> None:
        if self._claims.get(claim.partition) is claim:
            self._consumer.resume(self._tp(claim))
            claim.begin(offset, fingerprint)

    patch(GroupConsumer, "begin", begin_without_seek)
    no_seek_back(patch)


def revoked_claims_are_kept(patch: Patch) -> None:
    """A rebalance does not end the claims of revoked partitions."""

    async def on_partitions_revoked(self: GroupConsumer, revoked: Collection[Any]) -> None: ...

    async def on_partitions_assigned(self: GroupConsumer, assigned: Collection[Any]) -> None:
        self._consumer.pause(*assigned)
        for tp in assigned:
            self._claims.setdefault(tp.partition, Claim(tp.partition))

    patch(GroupConsumer, "on_partitions_revoked", on_partitions_revoked)
    patch(GroupConsumer, "on_partitions_assigned", on_partitions_assigned)


def one_unstorable_event_rejects_the_whole_slice(patch: Patch) -> None:
    async def reject_all(self: Recovery, slice_: Slice) -> bool:
        slice_.reject([Rejection(event.record, Reason.STORE_REJECTED, "refused") for event in slice_.events])
        return True

    patch(Recovery, "_reject_refused", reject_all)


Mutation = Callable[[Patch], None]

# Seeds that find each mutation. After a change that alters the schedules, `python -m tests.simulation.mutations` finds
# others.
MUTATIONS: Mapping[Mutation, Sequence[int]] = {
    no_compare_and_set: (16, 153, 233),
    revoked_claims_receive_records: (5, 12, 15),
    no_seek_back: (17, 23, 46),
    unanswered_commits_count_as_committed: (96, 199, 310),
    stale_claims_are_not_renewed: (2, 166, 189),
    repeats_are_counted_twice: (0, 1, 2),
    stalled_owners_are_not_terminated: (213, 243, 542),
    lost_offsets_are_not_detected: (6, 88, 119),
    partitions_start_at_committed_offsets: (0, 2, 3),
    revoked_claims_are_kept: (0, 2, 4),
    one_unstorable_event_rejects_the_whole_slice: (3, 9, 11),
}


def find(mutation: Mutation) -> list[int]:
    """The first three seeds whose schedules fail with this mutation."""
    with pytest.MonkeyPatch.context() as patch, simulated_clients():
        mutation(patch.setattr)
        return list(islice((seed for seed in count() if play(seed).problems), 3))


if __name__ == "__main__":
    for each in MUTATIONS:
        print(f"    {each.__name__}: {tuple(find(each))},", flush=True)
