"""Processes that outlive the object, or the program, that started them."""

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

# What servers and their tools get. Ours could change them: JAVA_TOOL_OPTIONS, PGOPTIONS, a locale.
SERVER_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True)
class ProcessId:
    """A process for good: its pid alone may be a stranger's by now, after a restart of the machine at the latest."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The process that has that pid now, if any."""
        try:
            return cls(pid, _start_mark(pid))
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """A handle to it, or None when it has ended. A zombie has ended: its parent only hasn't looked yet."""
        try:
            process = psutil.Process(self.pid)
            same = _start_mark(self.pid) == self.started
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def _start_mark(pid: int) -> str:
    """When the process started, in a form that a correction of the clock doesn't change."""
    try:
        # Linux keeps it in ticks since boot; every wall-clock time is computed from that and moves with the clock.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}+{ticks}"
    except OSError:
        return repr(psutil.Process(pid).create_time())


def run_tool(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of a server to its end, and keep what it says."""
    return subprocess.run(command, check=False, capture_output=True, text=True, env=SERVER_ENVIRONMENT)


def kill_tree(process: psutil.Process) -> None:
    """SIGKILL the process and all below it, as a crash of the machine would. Returns when none is left.

    Not by process group: every backend of PostgreSQL is a group of its own.
    """
    try:
        process.suspend()  # else it could replace the children that die, out of our sight
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        _signal(member, signal.SIGKILL)
    wait_until(lambda: all(has_ended(member) for member in family), timeout_s=30)


def end(process: psutil.Process, orderly: signal.Signals, timeout_s: float) -> None:
    """Ask it to end; after `timeout_s` make it. Returns when it has ended."""
    _signal(process, orderly)
    if not wait_until(lambda: has_ended(process), timeout_s):
        kill_tree(process)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more, be it that its parent hasn't collected it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for the condition. False when the time is over and it still doesn't hold."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)  # looks first whether the pid is still this process
