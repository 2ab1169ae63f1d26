"""Checks that a statement has written all rows: a trigger that operators added may leave rows out or change them."""

from collections.abc import Iterable, Mapping, Sized

from consumer.errors import DataRefused
from consumer.model.batches import Slice
from consumer.postgres.store import Offsets


def require_all(expected: int, written: Sized, table: str) -> None:
    """Raise DataRefused if a statement has written fewer rows than expected: COMMIT would lose the others."""
    if left_out := expected - len(written):
        raise DataRefused(
            f"PostgreSQL left out or changed {left_out} of {expected} rows of {table}, as a trigger or a policy can do"
        )


def are_at_the_start(slices: Iterable[Slice], stored: Mapping[int, Offsets]) -> bool:
    """Whether the stored offset of every slice's partition is at the start of the slice."""
    return all(
        (found := stored.get(each.claim.partition)) and found.next_offset == each.start_offset for each in slices
    )
