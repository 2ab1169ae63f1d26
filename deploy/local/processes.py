"""Identify, stop and kill processes that outlive the object, or the program, that started them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_INTERVAL_S = 0.02

# The environment of servers and their tools. Not this process's: JAVA_TOOL_OPTIONS, PGOPTIONS or a locale would
# change what they do.
SERVER_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True)
class ProcessIdentity:
    """Identifies one process for ever. A pid alone does not: the system reuses it, at the latest after a restart."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The identity of the process that has that pid now, or None."""
        try:
            return cls(pid, _start_time(pid))
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """A handle to the process, or None if it has ended. A zombie has ended; its parent has not collected it yet."""
        try:
            process = psutil.Process(self.pid)
            same = _start_time(self.pid) == self.started
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def _start_time(pid: int) -> str:
    """When the process started, in a form that does not change when the clock is corrected."""
    try:
        # Linux stores ticks since boot; any wall-clock time is computed from them, and changes with the clock.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}+{ticks}"
    except OSError:
        return repr(psutil.Process(pid).create_time())


def run_tool(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run one of a server's tools until it ends, and capture its output."""
    return subprocess.run(command, check=False, capture_output=True, text=True, env=SERVER_ENVIRONMENT)


def kill_tree(process: psutil.Process) -> None:
    """Send SIGKILL to the process and all its descendants, as in a crash. Returns when all have ended.

    Not to the process group: every backend of PostgreSQL has a group of its own.
    """
    try:
        process.suspend()  # a running parent could start new children that are not in the list
        processes = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for each in processes:
        _signal(each, signal.SIGKILL)
    wait_until(lambda: all(has_ended(each) for each in processes), timeout_s=30)


def terminate(process: psutil.Process, graceful: signal.Signals, timeout_s: float) -> None:
    """Send the signal; if the process has not ended after `timeout_s`, kill it. Returns when it has ended."""
    _signal(process, graceful)
    if not wait_until(lambda: has_ended(process), timeout_s):
        kill_tree(process)


def has_ended(process: psutil.Process) -> bool:
    """Whether the process has ended. A zombie counts as ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until the condition is true. Returns False if it is still false after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)  # psutil first checks that the pid still belongs to this process
