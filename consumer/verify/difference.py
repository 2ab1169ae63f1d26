"""What verify reports."""

from typing import NamedTuple


class Difference(NamedTuple):
    """One difference that verify found.

    Attributes:
        kind: a stable name for the kind of difference.
        where: the run, or the partition and offset.
        detail: what was found and what was expected.
    """

    kind: str
    where: str
    detail: str
