"""The demo runs without a terminal and without other programs, checks its result, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from urllib.request import urlopen

import psutil
import pytest
from msgspec.structs import asdict

from agent_runs.testing import RecordingEmitter
from examples.demo.agents import converse
from examples.demo.foreign_producer import rejections

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--conversations", "90", "--seconds", "6")
START_TIMEOUT_S = 90  # Kafka may have to be downloaded first
END_TIMEOUT_S = 60
# What differs between two conversations of the same seed.
IDS_AND_TIMES = {"id", "parent_event_id", "parent_run_id", "session_id", "timestamp"}


@pytest.fixture(autouse=True)
def _demos_receive_hangups() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # inherited as ignored, where the tests are run by nohup
    yield
    signal.signal(signal.SIGHUP, before)


def test_the_demo_accounts_for_every_record_without_a_terminal_and_with_an_empty_path(tmp_path: Path) -> None:
    # Given an environment with no program but this repository's Python, and with addresses that must not be used,
    with _started_demo(tmp_path, "--view") as demo:
        # when its runs were seen in the viewer, and the demo has ended after Enter,
        output = _wait_for(demo, "Press Enter")
        address = re.search(r"The viewer shows these runs at (\S+)", output)
        assert address, output
        with urlopen(f"{address[1]}api/status") as response:
            stored_runs = {status: found["count"] for status, found in json.load(response)["runs"].items()}
        output += demo.communicate("\n", timeout=END_TIMEOUT_S)[0]
    # then it has shown the kill, the takeover, and that nothing is missing,
    assert demo.returncode == 0, output
    assert "consumer-1 killed with SIGKILL" in output
    assert "consumer-3 has its share" in output
    assert "0 differences" in output
    # its sum is right, and not trivially small,
    published, stored, letters, repeats = _sum(output)
    assert published == stored + letters + repeats
    assert (stored > 500, letters, repeats) == (True, len(rejections()), 1)
    # runs have ended or wait for a human, and none is running,
    ended = _runs(output)
    assert ended["running"] == 0
    assert ended == stored_runs
    assert min(ended["waiting"], ended["completed"], ended["failed"]) > 0
    # the output has every reason of a rejection, no escape sequence, and no line of more than 100 columns,
    assert [reason for reason in rejections() if reason not in output] == []
    assert "\x1b" not in output
    assert max(len(line) for line in output.splitlines() if "downloading" not in line) <= 100
    # the end names the commands of the tour,
    tour = (
        "make demo VIEW=1",
        "examples/ask_human.py wait",
        "questions",
        "answer RUN",
        "show RUN",
        "prompt RUN --diff",
        "export",
        "import",
    )
    assert [words for words in tour if words not in output.partition("What next")[2]] == []
    # and nothing is left.
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP))]
)
def test_a_demo_that_is_interrupted_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    with _started_demo(tmp_path) as demo:
        _wait_for(demo, "agents begin")
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=END_TIMEOUT_S)
    assert demo.returncode == 130
    assert "Interrupted." in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.slow
def test_no_process_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    with _started_demo(tmp_path) as demo:
        _wait_for(demo, "agents begin")
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.kill()
    _, alive = psutil.wait_procs(family, timeout=END_TIMEOUT_S)
    assert alive == []
    assert len(family) >= 4  # two servers and two consumers, so the test has found them


async def test_the_agents_publish_the_same_for_the_same_seed_and_only_valid_events() -> None:
    assert await _forty_conversations() == await _forty_conversations()


async def _forty_conversations() -> tuple[list[float], list[dict[str, object]]]:
    """The pauses of forty conversations, and their events without ids and times."""
    emitter = RecordingEmitter()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    for number in range(40):
        await converse(emitter, Random(f"7:{number}"), sleep)
    stats = emitter.stats()
    assert (stats.sent, sum(stats.dropped.values())) == (stats.emitted, 0)  # an invalid event is dropped
    assert stats.sent > 300
    events = [asdict(event) for event in emitter.events()]
    return pauses, [{name: event[name] for name in event.keys() - IDS_AND_TIMES} for event in events]


@contextmanager
def _started_demo(directory: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A short demo whose every file is below the directory."""
    environment = {
        **os.environ,
        "TMPDIR": str(directory),
        "PATH": "",
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:1",
        "DATABASE_URL": "postgresql://localhost:1/nobody",
        "AGENT_RUNS_TOPIC": "not.for.demos",
    }
    command = [sys.executable, "-m", "examples.demo", *SHORT, *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def _wait_for(demo: "subprocess.Popen[str]", words: str) -> str:
    """Wait until the demo says something, and return its output up to the end of that line."""
    assert demo.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    seen = ""
    for line in demo.stdout:
        seen += line
        if words in line:
            return seen
        assert time.monotonic() < deadline, seen
    pytest.fail(f"the demo ended before it said {words!r}:\n{seen}")


def _sum(output: str) -> list[int]:
    found = re.search(r"([\d,]+) records .*= ([\d,]+) events .*\+ (\d+) dead letters \+ (\d+) repeat", output)
    assert found, output
    return [int(number.replace(",", "")) for number in found.groups()]


def _runs(output: str) -> dict[str, int]:
    found = re.search(r"\d+ runs: (.*)", output)
    assert found, output
    return {status: int(runs) for runs, status in re.findall(r"(\d+) (\w+)", found[1])}


def _processes_of(directory: Path) -> list[str]:
    return [
        line
        for line in (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
        if str(directory) in line
    ]
