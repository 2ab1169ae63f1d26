"""The poison corpus: each way a record can be refused, and each oddity that has to be stored all the same.

A specimen says what should become of it. The checker judges the same record by itself, so that table and oracle
hold each other to account; a test compares them. `scripts` has what needs more than one record: repeats and conflicts.
"""

from tests.support.corpus.fields import counts, ids, not_an_event, timestamps
from tests.support.corpus.keys import keys
from tests.support.corpus.numerals import numbers
from tests.support.corpus.oddities import headers, names, odd, raw
from tests.support.corpus.scripts import Script, scripts
from tests.support.corpus.specimen import Message, Specimen
from tests.support.corpus.texts import not_json

__all__ = ["Message", "Script", "Specimen", "corpus", "scripts"]

_ROOMS = (keys, not_json, not_an_event, ids, timestamps, counts, numbers, odd, names, headers, raw)


def corpus() -> list[Specimen]:
    """All specimens, each name once."""
    return [specimen for room in _ROOMS for specimen in room()]
