"""Calls a function before the process ends, also where it ends without `atexit`.

The children of `multiprocessing`, of its copy multiprocess and of billiard run the finalizers of these modules instead.
The workers of billiard's pools, which Celery uses, do not even do that. A module that is not loaded is not imported:
then the process is not one of its children.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any


def call_before_exit(function: Callable[[], None]) -> None:
    """Call the function before this process ends, if it is a child of one of these frameworks. It may be called twice.

    Args:
        function: takes no arguments and does not raise.
    """
    for module in ("multiprocessing.util", "multiprocess.util", "billiard.util"):
        # The module may lack the name while another thread imports it; in a child the import is complete.
        if finalize := getattr(sys.modules.get(module), "Finalize", None):
            finalize(None, function, exitpriority=0)
    if shutdown := getattr(sys.modules.get("celery.signals"), "worker_process_shutdown", None):
        shutdown.connect(lambda **_: function(), weak=False, dispatch_uid=__name__)
    if worker := getattr(sys.modules.get("billiard.pool"), "Worker", None):
        _call_before_do_exit(worker, function)


def _call_before_do_exit(worker: Any, function: Callable[[], None]) -> None:
    """Change the class of a pool's workers: they end with `os._exit` in this method."""
    do_exit = getattr(worker, "_do_exit", None)
    if do_exit is None or hasattr(do_exit, "__wrapped__"):
        return

    @wraps(do_exit)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        function()
        return do_exit(*arguments, **keywords)

    worker._do_exit = wrapper  # noqa: SLF001  # billiard has no other hook
