"""How the process treats its memory: what the interpreter and the C library are told once, at the start."""

import ctypes
import gc
import platform
from typing import Final

# malloc.h of glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 * 1024 * 1024  # the batches of two lanes, and what comes meanwhile
_MAPPED_FROM_BYTES: Final = 32 * 1024 * 1024  # more, older glibcs refuse


def tune_allocator() -> None:
    """Spare what a process that fills and empties the same buffers all day need not do."""
    # Modules and settings stay as long as the process: whoever looks for garbage cycles need not look at them.
    gc.freeze()
    # A batch that is done is given back to the system, and the next one takes it again page by page, each zeroed first:
    # half a microsecond an event. Other C libraries than glibc have other ways, and are left alone.
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
