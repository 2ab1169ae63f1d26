"""The corpus: every way a record can be rejected, and every unusual record that must be stored.

Each sample names its expected outcome. The checker classifies the same records by its own code, and a test compares the
two. `duplicates` has the cases that need more than one record: repeats and conflicts of one event id.
"""

from tests.support.corpus.duplicates import DuplicateCase, duplicate_cases
from tests.support.corpus.event_fields import counts, ids, labels, not_an_event, roles, timestamps
from tests.support.corpus.keys import keys
from tests.support.corpus.not_json import not_json
from tests.support.corpus.numbers import numbers
from tests.support.corpus.sample import Sample
from tests.support.corpus.unusual import headers, names, strings, unusual

__all__ = ["DuplicateCase", "Sample", "corpus", "duplicate_cases"]

_GROUPS = (
    *(keys, not_json, not_an_event, ids, timestamps, counts, roles, labels),
    *(numbers, unusual, names, headers, strings),
)


def corpus() -> list[Sample]:
    """All samples; their names are unique."""
    return [sample for group in _GROUPS for sample in group()]
