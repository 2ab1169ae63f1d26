"""Memory settings, each in a process of its own because they cannot be undone."""

import platform
import subprocess
import sys

import pytest

_TUNE = "from consumer.runtime.allocator import tune_allocator; tune_allocator()"
# The page faults of a batch after batches of the same size were freed.
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are not tuned")
def test_a_batch_reuses_the_pages_of_the_batch_before_it() -> None:
    assert printed(_PAGES_FOR_A_BATCH) > 1000, "without tuning, each batch faults all of its pages again"
    assert printed(_TUNE, _PAGES_FOR_A_BATCH) < 100


def test_objects_from_the_start_are_excluded_from_garbage_collection() -> None:
    assert printed(_TUNE, "import gc; print(gc.get_freeze_count())") > 1000
