"""Where `agent-runs export` writes, and what an `import` says that Kafka interrupts."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_runs.cli.export_import import _target
from agent_runs.errors import KafkaUnavailable
from agent_runs.reader import RunSummary
from agent_runs.run_file.writer import RunWriter
from agent_runs.status import RunStatus
from tests.support.command_line import Ran, agent_runs

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run file with a run that has no events."""
    path = tmp_path / "source.jsonl"
    run = RunSummary(
        id="run", created_at=AT, updated_at=AT, status_changed_at=AT, event_count=0, agent="a", status=RunStatus.RUNNING
    )
    with path.open("wb") as file:
        RunWriter(file, run).end(None)
    return path


def export(source: Path, target: Path) -> Ran:
    return asyncio.run(agent_runs({}, "--file", str(source), "export", "run", "-f", str(target)))


def test_the_file_that_a_link_names_is_replaced_and_not_the_link(source: Path, tmp_path: Path) -> None:
    file, link = tmp_path / "file.jsonl", tmp_path / "link.jsonl"
    file.write_text("before")
    link.symlink_to(file)

    ran = export(source, link)

    assert (ran.exit_code, link.is_symlink(), file.read_bytes()) == (0, True, source.read_bytes())
    assert not list(tmp_path.glob("*.partial"))


def test_a_pipe_is_written_to_and_not_replaced(source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    ran = export(source, pipe)

    with os.fdopen(reader, "rb") as received:
        assert (ran.exit_code, received.read(), pipe.is_fifo()) == (0, source.read_bytes(), True)


def test_a_full_disk_and_a_missing_folder_are_one_sentence(source: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")  # a test that fails must not replace the device itself

    on_full, nowhere = export(source, full), export(source, tmp_path / "none" / "run.jsonl")

    assert on_full == Ran(2, "", "error: the output or a file cannot be written or read: No space left on device\n")
    assert nowhere == Ran(2, "", f"error: {tmp_path}/none/run.jsonl: No such file or directory\n")


def test_an_import_that_kafka_interrupts_says_what_is_published(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(path: Path, environ: object, progress: Callable[[int], None]) -> None:
        progress(1000)
        progress(500)
        raise KafkaUnavailable("the broker is gone")

    monkeypatch.setattr("agent_runs.run_file.publish.import_runs", interrupted)

    ran = asyncio.run(agent_runs({}, "import", str(source)))

    published = "The first 1500 events are published. It is safe to import the file again.\n"
    assert ran == Ran(4, "", f"{published}error: the broker is gone\n")


def test_of_two_exports_to_one_file_at_once_each_writes_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with _target(path) as slow:
        slow.write(b"slow ")
        with _target(path) as fast:
            fast.write(b"fast")
        assert path.read_bytes() == b"fast"
        slow.write(b"and whole")

    assert path.read_bytes() == b"slow and whole"
    assert list(tmp_path.iterdir()) == [path]
