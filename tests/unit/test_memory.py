"""What a process is told about its memory: each in a process of its own, for it cannot be taken back."""

import platform
import subprocess
import sys

import pytest

_SETTLE = "from consumer.runtime.memory import tune_allocator; tune_allocator()"
# How many pages the system has to give for a batch once others of its size have been and gone.
_PAGES_FOR_A_BATCH = """
from resource import RUSAGE_SELF, getrusage
for _ in range(3):
    before = getrusage(RUSAGE_SELF).ru_minflt
    batch = [bytes(4000) for _ in range(8000)]
    del batch
    pages = getrusage(RUSAGE_SELF).ru_minflt - before
print(pages)
"""


def printed(*script: str) -> int:
    return int(subprocess.run([sys.executable, "-c", "\n".join(script)], stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no other C library is told anything")
def test_a_batch_takes_the_pages_of_the_one_before_it() -> None:
    assert printed(_PAGES_FOR_A_BATCH) > 1000, "without, each batch takes all of its pages anew"
    assert printed(_SETTLE, _PAGES_FOR_A_BATCH) < 100


def test_garbage_is_not_looked_for_among_what_is_there_from_the_start() -> None:
    assert printed(_SETTLE, "import gc; print(gc.get_freeze_count())") > 1000
