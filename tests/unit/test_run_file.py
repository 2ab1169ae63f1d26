"""The run file: written and read without a database, and refused if it is cut off or altered."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent_runs.reader import OpaqueEvent, RunFilter, RunSummary, StoredEvent, SyncRunSource, event_of_message
from agent_runs.run_file import InvalidRunFile, RunFile, RunNotFound, export_runs, with_descendants
from agent_runs.run_file.writer import RunWriter
from agent_runs.status import RunStatus
from tests.support.messages import event

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
STRANGE = event("s", data="\0\ud800 Ä \U0001f600 ؈").replace(b", ", b",\n  ")  # as a producer may have written it


def run(run_id: str, *, events: int = 0, minute: int = 0, **fields: object) -> RunSummary:
    at = AT + timedelta(minutes=minute)
    given = {"agent": "a", "status": RunStatus.RUNNING, "updated_at": at, "status_changed_at": at, **fields}
    return RunSummary(id=run_id, created_at=at, event_count=events, **given)  # type: ignore[arg-type]


def stored(seq: int, message: bytes | None, raw: bytes | None = None) -> StoredEvent:
    found = event_of_message(message if raw is None else raw, id=f"id{seq}", type="input", error="unreadable")
    return StoredEvent(seq=seq, created_at=AT, partition=3, offset=seq + 70, event=found, raw=raw)


def events(*messages: bytes) -> list[StoredEvent]:
    return [stored(seq, message) for seq, message in enumerate(messages)]


def written(*runs: tuple[RunSummary, Sequence[StoredEvent]]) -> bytes:
    file = BytesIO()
    for (summary, found), following in zip(runs, [*runs[1:], None], strict=True):
        writer = RunWriter(file, summary)
        for each in found:
            writer.write(each)
        writer.end(following[0].id if following else None)
    return file.getvalue()


def opened(path: Path, content: bytes) -> RunFile:
    path.write_bytes(content)
    return RunFile(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.jsonl"


async def exported(source: RunFile, *run_ids: str) -> bytes:
    file = BytesIO()
    await export_runs(source, run_ids, file)
    return file.getvalue()


THREE = (run("r", events=3), events(event("a"), event("b", "of_tomorrow", x=1), event("c", data="two")))
TWO_RUNS = written(THREE, (run("s", events=1, minute=1), events(event("d"))))


async def test_a_file_gives_back_the_run_and_its_events_as_they_were(path: Path) -> None:
    summary = run("r", events=2, session_id="s", parent_run_id="p", dropped_events=4, started_at=AT)
    file = opened(path, written((summary, [stored(0, event("a")), stored(1, None, raw=STRANGE)])))

    found = await file.get_run("r")

    assert found is not None
    assert {name: getattr(found, name) for name in summary.__struct_fields__} == {
        name: getattr(summary, name) for name in summary.__struct_fields__
    }
    assert [(each.seq, each.offset, each.created_at) for each in found.events] == [(0, 70, AT), (1, 71, AT)]
    assert found.events[1].raw == found.events[1].event.original == STRANGE
    assert json.loads(found.events[1].to_json())["event"] == json.loads(STRANGE)


async def test_a_file_that_is_read_and_written_again_has_the_same_bytes(path: Path) -> None:
    opaque = [stored(0, b"[]"), stored(1, None), stored(2, b""), stored(3, None, raw=STRANGE)]
    content = written((run("r", events=4), opaque), (run("s", events=1, minute=1), events(event("d"))))
    file = opened(path, content)

    again = await exported(file, "r", "s")

    assert again == content
    found = await file.get_run("r")
    assert found is not None
    assert isinstance(found.events[0].event, OpaqueEvent)
    assert [each.event for each in found.events[:3]] == [each.event for each in opaque[:3]]


async def test_a_single_run_of_a_file_is_exported_as_if_it_were_alone(path: Path) -> None:
    file = opened(path, TWO_RUNS)

    assert await exported(file, "r") == written(THREE)


async def test_files_can_be_appended_to_each_other(path: Path) -> None:
    file = opened(path, written(THREE) + written((run("s", events=1), events(event("d")))))

    assert file.run_ids == ["r", "s"]


async def test_the_events_of_a_file_are_read_from_any_number_to_any_number(path: Path) -> None:
    file = opened(path, TWO_RUNS)

    async def ids(run_id: str, **bounds: Any) -> list[str]:
        return [found.id async for found in file.get_run_events(run_id, **bounds)]

    assert await ids("r") == ["a", "b", "c"]
    assert await ids("r", after=0) == ["b", "c"]
    assert await ids("r", after=0, until=1) == ["b"]
    assert await ids("r", after=2) == await ids("r", after=9) == await ids("r", until=-1) == await ids("none") == []


async def test_the_runs_of_a_file_are_listed_as_those_of_a_database(path: Path) -> None:
    runs = [run(f"r{n}", minute=n, agent="b" if n % 2 else "a", dropped_events=n // 4) for n in range(5)]
    file = opened(path, written(*((each, []) for each in runs)))

    first = await file.list_runs(limit=3)
    second = await file.list_runs(limit=3, cursor=first.cursor)

    assert [found.id for found in (*first.runs, *second.runs)] == ["r4", "r3", "r2", "r1", "r0"]
    assert second.cursor is None
    assert [found.id for found in (await file.get_runs_by_agent("b")).runs] == ["r3", "r1"]
    assert [found.id for found in (await file.list_runs(RunFilter(has_dropped_events=True))).runs] == ["r4"]
    assert (await file.get_runs_by_status("failed")).runs == []
    before = RunFilter(created_before=AT + timedelta(minutes=1), stale_for=timedelta(minutes=1))
    assert [found.id for found in (await file.list_runs(before)).runs] == ["r0"]


async def test_descendants_follow_their_parent_and_a_circle_ends(path: Path) -> None:
    parents = {"a": "c", "b": "a", "c": "b", "d": "a", "other": None}
    runs = [run(name, minute=n, parent_run_id=parent) for n, (name, parent) in enumerate(parents.items())]
    file = opened(path, written(*((each, []) for each in runs)))

    assert await with_descendants(file, ["a"]) == ["a", "b", "c", "d"]


async def test_a_run_that_does_not_exist_is_named_before_anything_is_written(path: Path) -> None:
    target = BytesIO()

    with pytest.raises(RunNotFound, match="no run 'x'"):
        await export_runs(opened(path, TWO_RUNS), ["r", "x"], target)
    assert target.getvalue() == b""


def refusal(path: Path, content: bytes) -> InvalidRunFile:
    path.write_bytes(content)
    with pytest.raises(InvalidRunFile) as raised:
        RunFile(path)
    return raised.value


def test_a_file_that_is_cut_off_anywhere_is_refused_with_the_line(path: Path) -> None:
    for length in range(0, len(TWO_RUNS), 5):
        error = refusal(path, TWO_RUNS[:length])
        assert error.line == TWO_RUNS[:length].count(b"\n") + 1, f"cut off after {length} bytes"


def test_every_altered_byte_is_noticed_at_its_line_or_at_the_end_of_its_run(path: Path) -> None:
    for at in range(0, len(TWO_RUNS), 11):
        altered = bytes([TWO_RUNS[at] ^ 1])
        if altered == b"\n" or TWO_RUNS[at : at + 1] == b"\n":
            continue
        line = TWO_RUNS[:at].count(b"\n") + 1
        error = refusal(path, TWO_RUNS[:at] + altered + TWO_RUNS[at + 1 :])
        assert line <= error.line <= (6 if line <= 5 else 8), f"byte {at}: {error}"


@pytest.mark.parametrize("line", range(1, 8))
def test_a_line_that_is_missing_or_repeated_is_refused(path: Path, line: int) -> None:
    lines = TWO_RUNS.splitlines(keepends=True)

    refusal(path, b"".join(lines[: line - 1] + lines[line:]))
    refusal(path, b"".join(lines[:line] + lines[line - 1 :]))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"hello\n", "not a line of a run file"),
        (b"\xff\xfe\n", "not a line of a run file"),
        (b'{"format":"agent-runs/2","run":{}}\n', "the format is 'agent-runs/2'; this version reads 'agent-runs/1'"),
        (gzip.compress(TWO_RUNS), "line 1: not a run file: it is compressed with gzip"),
        (b"\xef\xbb\xbf" + TWO_RUNS, "it begins with a byte order mark"),
        (TWO_RUNS.replace(b"\n", b"\r\n"), "has changed the line breaks of the file to CR LF"),
        (TWO_RUNS.replace(b'"x": 1', b'"x": 2'), "the digest differs: one of the lines 1 to 4 was altered"),
    ],
)
def test_a_refusal_states_what_is_wrong(path: Path, content: bytes, problem: str) -> None:
    assert problem in str(refusal(path, content))


def test_a_file_has_the_documented_form(path: Path) -> None:
    lines = [json.loads(line) for line in TWO_RUNS.splitlines()]

    assert [list(line) for line in lines[:2]] == [
        ["format", "run"],
        ["seq", "created_at", "partition", "offset", "event"],
    ]
    assert lines[0]["format"] == "agent-runs/1"
    assert lines[4]["end"]["events"] == 3
    assert (lines[4]["end"]["next"], "next" in lines[7]["end"]) == ("s", False)


def test_a_big_run_is_read_in_pages(path: Path) -> None:
    many = [stored(n, event(f"e{n}", data="x" * 100_000)) for n in range(20)]
    path.write_bytes(written((run("r", events=20), many)))

    async def pages() -> list[int]:
        return [len(page) async for page in RunFile(path).get_run_events("r").pages]

    assert asyncio.run(pages()) == [6, 6, 6, 2]


async def test_the_events_of_a_file_can_be_limited_to_types(path: Path) -> None:
    file = opened(path, TWO_RUNS)

    assert [found.id async for found in file.get_run_events("r", types=["of_tomorrow"])] == ["b"]


async def test_a_file_gives_the_tree_of_a_run(path: Path) -> None:
    parents = {"a": None, "b": "a", "c": "b", "d": "b", "loop": "loop", "orphan": "gone"}
    runs = [run(name, minute=n, parent_run_id=parent) for n, (name, parent) in enumerate(parents.items())]
    file = opened(path, written(*((each, []) for each in runs)))

    tree = await file.get_tree("b")

    assert tree is not None
    assert [found.id for found in tree.ancestors] == ["a"]
    assert [(node.run.id, node.depth) for node in tree.nodes] == [("b", 0), ("c", 1), ("d", 1)]
    assert [len(found.nodes) for name in ("loop", "orphan") if (found := await file.get_tree(name))] == [1, 1]


def test_synchronous_code_reads_a_file_too(path: Path) -> None:
    with SyncRunSource(opened(path, TWO_RUNS)) as file:
        assert [found.id for found in file.get_run_events("r")] == ["a", "b", "c"]
