"""Tunes the garbage collector and the C library's allocator, once, when the process starts."""

import ctypes
import gc
import platform
from typing import Final

# malloc.h of glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 * 1024 * 1024  # the batches of two lanes, and the records fetched meanwhile
_MAPPED_FROM_BYTES: Final = 32 * 1024 * 1024  # older glibc versions refuse more


def tune_allocator() -> None:
    """Exclude the objects that exist now from garbage collection, and let malloc keep the memory of freed batches."""
    # Modules and settings live as long as the process, so the collector need not visit them.
    gc.freeze()
    # By default glibc returns a freed batch to the kernel, and the next batch gets it back page by page, zeroed.
    # That costs half a microsecond per event. Other C libraries have no such options and are not tuned.
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
