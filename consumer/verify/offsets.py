"""Compares the stored offsets with what is stored, as far as the tables alone can tell."""

from collections.abc import Iterator, Sequence

from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.verify.difference import Difference
from consumer.verify.pages import ReadRun


async def verify_offsets(session: Session) -> list[Difference]:
    """Return what is wrong with the rows of consumer_offsets."""
    return [
        Difference("offsets", f"partition {row['partition']}", problem)
        for row in await session.fetch("offsets_to_compare")
        for problem in _problems(row)
    ]


def _problems(row: Row) -> Iterator[str]:
    passed = row["next_offset"] - row["first_offset"]
    if row["repeats"] > passed:
        yield f"repeats is {row['repeats']}, but only {passed} offsets were passed"
    if row["resumed_at"] is not None and row["resumed_at"] != row["first_offset"]:
        yield f"first_offset is {row['first_offset']}, but the last accepted loss resumed at {row['resumed_at']}"
    if row["letter_at"] is not None and row["letter_at"] != row["last_timestamp"]:
        yield f"last_timestamp is {row['last_timestamp']}, but its record is a dead letter of {row['letter_at']}"


class EventOffsets:
    """Compares the offsets of events with the stored offsets of their partitions."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ends: dict[int, int] = {}

    async def differences(self, runs: Sequence[ReadRun]) -> list[Difference]:
        """Return the runs that have an event whose offset is not below the stored one of its partition."""
        if not self._beyond(runs):
            return []
        # The offsets may have moved since they were read. An earlier log of the partition may have had greater ones.
        self._ends = {row["partition"]: row["end_offset"] for row in await self._session.fetch("ends_of_partitions")}
        return [
            Difference(
                "beyond_offset",
                run_id,
                f"has an event with offset {offset} of partition {partition}, whose stored offset is "
                f"{self._ends.get(partition)}",
            )
            for run_id, partition, offset in self._beyond(runs)
        ]

    def _beyond(self, runs: Sequence[ReadRun]) -> list[tuple[str, int, int]]:
        return [
            (run.row["id"], partition, offset)
            for run in runs
            for partition, offset in run.last_offsets.items()
            if offset >= self._ends.get(partition, 0)
        ]
