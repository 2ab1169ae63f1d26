"""Deliberate bugs: what the simulation must find, or it would find nothing else either."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count, islice
from typing import Any

import pytest

from consumer.ingest.transaction import Transaction
from consumer.kafka.group_consumer import GroupConsumer
from consumer.lanes.queue import Queue
from consumer.lanes.recovery import Recovery
from consumer.lanes.writer import Writer
from consumer.model.batches import Batch
from consumer.model.claims import Claim
from consumer.model.records import Reason, Rejection
from consumer.partitions import ownership
from tests.simulation.schedule import play
from tests.simulation.world import in_place

Patch = Callable[[Any, str, Any], None]  # as pytest's monkeypatch.setattr


def no_compare_and_set(patch: Patch) -> None:
    """A batch is written whatever the offsets say."""

    async def move_offsets(self: Transaction, batch: Batch) -> None:
        stored = await self._store.offsets()
        moves = (
            (s.claim.partition, stored[s.claim.partition].next_offset, s.ends, *(s.last or (None, None))) for s in batch
        )
        await self._store.fetch("move_offsets", self._topic, *map(list, zip(*moves, strict=True)))

    patch(Transaction, "move_offsets", move_offsets)


def lost_claims_are_believed(patch: Patch) -> None:
    """What a fetch has brought is taken for the claims that asked for it, whether or not they still stand."""
    patch(GroupConsumer, "_stands", lambda self, claim: True)


def no_seek_back(patch: Patch) -> None:
    """The client is believed to stand where its claims do."""

    async def ask(self: GroupConsumer, claims: Sequence[Claim], wait_s: float, max_records: int) -> Any:
        tps = map(self._tp, claims)
        return await self._consumer.getmany(*tps, timeout_ms=int(wait_s * 1000), max_records=max_records)

    patch(GroupConsumer, "_ask", ask)


def unanswered_commits_are_taken_for_done(patch: Patch) -> None:
    async def ask_nobody(self: Recovery, queues: Sequence[Queue]) -> None:
        self._writer.disconnect()
        for queue in queues:
            queue.succeed([])

    patch(Recovery, "_ask_what_happened", ask_nobody)


def stale_claims_are_not_renewed(patch: Patch) -> None:
    patch(GroupConsumer, "renew", lambda self, claim: None)


def repeats_are_counted_twice(patch: Patch) -> None:
    count = Transaction.count_repeats

    async def count_twice(self: Transaction, repeats: Mapping[int, int]) -> None:
        await count(self, {partition: 2 * number for partition, number in repeats.items()})

    patch(Transaction, "count_repeats", count_twice)


def stalled_owners_are_left_alone(patch: Patch) -> None:
    async def nobody(self: Writer, partitions: Sequence[int]) -> list[int]:
        return []

    patch(Writer, "terminate_stalled_owner", nobody)


def losses_go_unnoticed(patch: Patch) -> None:
    async def nothing_lost(*_: object) -> None: ...

    patch(ownership, "lost_offsets", nothing_lost)


def assignments_begin_where_kafka_says(patch: Patch) -> None:
    """What is fetched first comes from the group's advice, not from the tables."""

    def begin_unsought(self: GroupConsumer, claim: Claim, offset: int, last: tuple[int, int] | None) -> None:
        if self._claims.get(claim.partition) is claim:
            self._consumer.resume(self._tp(claim))
            claim.begin(offset, last)

    patch(GroupConsumer, "begin", begin_unsought)
    no_seek_back(patch)


def revoked_claims_are_kept(patch: Patch) -> None:
    async def on_partitions_revoked(self: GroupConsumer, revoked: Collection[Any]) -> None: ...

    async def on_partitions_assigned(self: GroupConsumer, assigned: Collection[Any]) -> None:
        self._consumer.pause(*assigned)
        for tp in assigned:
            self._claims.setdefault(tp.partition, Claim(tp.partition))

    patch(GroupConsumer, "on_partitions_revoked", on_partitions_revoked)
    patch(GroupConsumer, "on_partitions_assigned", on_partitions_assigned)


def refused_data_takes_its_neighbours_along(patch: Patch) -> None:
    async def all_aside(self: Recovery, piece: Any) -> bool:
        piece.set_aside([Rejection(event.record, Reason.STORE_REJECTED, "refused") for event in piece.events])
        return True

    patch(Recovery, "_set_refused_aside", all_aside)


Mutation = Callable[[Patch], None]

# Each with seeds that find it. After a change of what seeds mean, `python -m tests.simulation.mutations` finds others.
MUTATIONS: Mapping[Mutation, Sequence[int]] = {
    no_compare_and_set: (10, 27, 39),
    lost_claims_are_believed: (2, 3, 4),
    no_seek_back: (3, 4, 6),
    unanswered_commits_are_taken_for_done: (16, 22, 96),
    stale_claims_are_not_renewed: (130, 143, 204),
    repeats_are_counted_twice: (0, 1, 2),
    stalled_owners_are_left_alone: (264, 290, 414),
    losses_go_unnoticed: (76, 130, 157),
    assignments_begin_where_kafka_says: (1, 17, 62),
    revoked_claims_are_kept: (1, 2, 3),
    refused_data_takes_its_neighbours_along: (33, 34, 39),
}


def find(mutation: Mutation) -> list[int]:
    """The first seeds whose schedules go wrong with this bug."""
    with pytest.MonkeyPatch.context() as patch, in_place():
        mutation(patch.setattr)
        return list(islice((seed for seed in count() if play(seed).problems), 3))


if __name__ == "__main__":
    for each in MUTATIONS:
        print(f"    {each.__name__}: {tuple(find(each))},", flush=True)
