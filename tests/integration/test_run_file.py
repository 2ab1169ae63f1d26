"""Run files of real tables, imported into another topic and exported again."""

import json
import re
import textwrap
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent_runs import Emitter
from agent_runs.errors import KafkaUnavailable, SettingsError
from agent_runs.reader import Reader, RunFilter
from agent_runs.run_file import InvalidRunFile, RunFile, export_runs, import_runs, with_descendants
from agent_runs.status import RunStatus
from tests.support.messages import Message, event, event_with_literal
from tests.support.paths import CHECKOUT
from tests.support.scene import MakeScene, Scene
from tests.support.servers.clients import execute
from tests.support.stored_runs import at, insert_event, insert_run
from tests.support.workloads import real_runs

# Messages whose text JSONB does not keep: white space, characters that it cannot store, numbers, order of keys.
STRANGE = (
    event("nul", data="\0 and \ud800").replace(b", ", b",\r\n\t"),
    event_with_literal("numbers", b"[1.00, 1e5, 12345678901234567890123, -0.0, 1E-300]"),
    event("unknown", "of_tomorrow", z=1, a={"b": "\U0001f600\u202e"}),
)


async def export(scene: Scene, path: Path, *run_ids: str) -> bytes:
    async with Reader(scene.database) as reader:
        file = BytesIO()
        await export_runs(reader, await with_descendants(reader, run_ids), file)
    path.write_bytes(file.getvalue())  # noqa: ASYNC240
    return file.getvalue()


async def import_and_consume(path: Path, scene: Scene) -> None:
    await import_runs(path, scene.environ())
    await scene.consume()


def events_of(content: bytes) -> list[Any]:
    """The lines of events without what the other topic decides: times and offsets."""
    lines = [json.loads(line) for line in content.splitlines()]
    return [(line["seq"], line["event"], line.get("raw")) for line in lines if "seq" in line]


async def test_an_exported_run_that_is_imported_and_exported_again_has_equal_events(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    # Given a run with messages that JSONB changes, and its child,
    first, second = await make_scene(2), await make_scene(3)
    child = event("started", "run_started", agent_id="child", parent_run_id="parent")
    await first.publish(*(Message(b"parent", value) for value in STRANGE), Message(b"child", child))
    await first.consume()

    # When it is exported twice, imported twice into another topic and stored from there,
    path = tmp_path / "runs.jsonl"
    exported = await export(first, path, "parent")
    assert await export(first, path, "parent") == exported
    counts = await import_runs(path, second.environ())
    await import_and_consume(path, second)

    # Then both databases give the same events, and the second import has only made repeats.
    again = await export(second, tmp_path / "again.jsonl", "parent")
    assert counts == (2, 4)
    assert events_of(again) == events_of(exported)
    assert events_of(exported)[0][2] is not None
    assert await second.rows("SELECT sum(repeats)::integer FROM consumer_offsets") == [(4,)]
    assert await second.dead_letters() == []
    found = await RunFile(path).get_run("parent")
    assert found is not None
    assert found.events[0].event.original == STRANGE[0]
    await second.assert_consistent()


async def test_every_text_of_real_runs_is_equal_after_emitter_tables_file_topic_and_tables(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    emitted = {each["run_id"]: real_runs.events_of(each) for each in real_runs.trajectories(40)}
    first, second = await make_scene(3), await make_scene(2)
    with Emitter(bootstrap_servers=first.servers.bootstrap_servers, topic=first.topic) as emitter:
        for run_id, events in emitted.items():
            for each in events:
                emitter.emit(run_id, each)
    await first.consume()

    path = tmp_path / "runs.jsonl"
    exported = await export(first, path, *emitted)
    await import_and_consume(path, second)
    again = await export(second, tmp_path / "again.jsonl", *emitted)

    assert events_of(again) == events_of(exported)
    async with Reader(second.database) as reader:
        for run_id, events in emitted.items():
            for source in (reader, RunFile(path)):
                found = await source.get_run(run_id)
                assert found is not None
                assert [each.event for each in found.events] == events


FILTERS: dict[str, list[Any]] = {
    "status": [*RunStatus],
    "agent": ["a", "nobody"],
    "session": ["s", "\N{SNOWMAN}"],
    "parent": ["r0", "r1"],
    "created_from": [at(0), at(2), at(9)],
    "created_before": [at(0), at(2), at(9)],
    "updated_from": [at(2), at(3), at(99)],
    "updated_before": [at(2), at(3), at(99)],
    "stale_for": [timedelta(0), timedelta(days=36500), timedelta.max],
    "has_dropped_events": [False, True],
    "labels": [{}, {"environment": "test"}, {"environment": "test", "version": "2"}, {"environment": ""}],
    "has_open_questions": [False, True],
    "top_level": [False, True],
}
RUNS: list[dict[str, Any]] = [
    {"status": "completed", "agent": "a", "labels": {"environment": "test"}},
    {"status": "failed", "parent": "r0", "dropped": 2, "updated": 99},
    {"status": "waiting", "session": "s", "questions": [{"id": "q", "tool_name": "ask"}], "updated": 3},
    {"session": "\N{SNOWMAN}", "labels": {"environment": "test", "version": "2"}},
    {"parent": "r1", "agent": "a", "questions": [{"id": "gone", "tool_name": "ask"}], "labels": {"version": "2"}},
]


async def test_a_file_has_the_lists_and_the_questions_of_its_database(database: str, tmp_path: Path) -> None:
    # Given a file with all runs of a database,
    asked = [event("other", "tool_requested"), event("q", "tool_requested", tool_args={"question": "Which?"})]
    for number, columns in enumerate(RUNS):
        await insert_run(database, f"r{number}", number // 2, asked if number == 2 else [], **columns)
    async with Reader(database) as reader:
        with (tmp_path / "runs.jsonl").open("wb") as target:
            await export_runs(reader, [run.id for run in (await reader.list_runs()).runs], target)
        file = RunFile(tmp_path / "runs.jsonl")
        # then each condition gives the same list, and so do some of two fields,
        assert FILTERS.keys() == set(RunFilter.__struct_fields__)
        single = [{name: value} for name, values in FILTERS.items() for value in values]
        for conditions in [*single, *(one | other for one, other in zip(single, single[5:], strict=False))]:
            found, expected = [await each.list_runs(RunFilter(**conditions)) for each in (file, reader)]
            assert [run.id for run in found.runs] == [run.id for run in expected.runs], conditions
        # and so do the pages of the questions.
        cursor = None
        for _ in range(2):
            page, expected_page = [await each.open_questions(limit=1, cursor=cursor) for each in (file, reader)]
            assert page == expected_page
            cursor = page.cursor
        assert cursor is None
        assert (await file.open_questions()).questions[0].text == "Which?"


async def test_a_file_that_is_altered_or_cut_off_is_not_imported(scene: Scene, tmp_path: Path) -> None:
    await scene.publish(Message(b"run", event("a", data="hello")), Message(b"run", event("b")))
    await scene.consume()
    content = await export(scene, tmp_path / "runs.jsonl", "run")

    for name, changed in {"altered": content.replace(b"hello", b"hallo"), "cut": content[:-40]}.items():
        path = tmp_path / name
        path.write_bytes(changed)
        with pytest.raises(InvalidRunFile, match="line 4"):
            await import_runs(path, scene.environ())
    assert await scene.consumed_records() == 2


async def test_an_event_that_consumers_would_refuse_is_not_imported(scene: Scene, tmp_path: Path) -> None:
    await scene.publish(Message(b"run", event("a")))
    await scene.consume()
    await execute(scene.database, "ALTER TABLE run_events DISABLE TRIGGER ALL; UPDATE run_events SET event_data = '[]'")
    await export(scene, tmp_path / "runs.jsonl", "run")

    with pytest.raises(InvalidRunFile, match="line 2: the event 'a' cannot be published: expected an object"):
        await import_runs(tmp_path / "runs.jsonl", scene.environ())


async def test_a_run_that_grows_while_it_is_exported_is_written_as_it_was(database: str, tmp_path: Path) -> None:
    # Given a run, and an event that is stored after the row of the run was read,
    await insert_run(database, "run", 0, [event("a"), event("b")])
    await insert_event(database, "run", 2, event("later"))
    # when it is exported, then the file has the events that its first line counts.
    async with Reader(database) as reader:
        with (tmp_path / "runs.jsonl").open("wb") as target:
            assert await export_runs(reader, ["run"], target) == 2
    found = await RunFile(tmp_path / "runs.jsonl").get_run("run")
    assert found is not None
    assert [each.id for each in found.events] == ["a", "b"]


async def test_the_example_on_the_page_about_run_files_runs_as_written(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.publish(Message(b"RUN", event("a")))
    await scene.consume()
    monkeypatch.chdir(tmp_path)
    for name, value in scene.environ().items():
        monkeypatch.setenv(name, value)
    (code,) = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "run-file.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(f"async def example():\n{textwrap.indent(code, '    ')}\n    return run", names)

    run = await names["example"]()

    assert [stored.id for stored in run.events] == ["a"]
    await scene.consume()
    assert await scene.rows("SELECT repeats FROM consumer_offsets") == [(1,)]


async def test_an_import_without_kafka_or_topic_states_why(scene: Scene, tmp_path: Path) -> None:
    await scene.publish(Message(b"run", event("a")))
    await scene.consume()
    path = tmp_path / "runs.jsonl"
    await export(scene, path, "run")

    with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP_SERVERS: is not set"):
        await import_runs(path, {})
    with pytest.raises(KafkaUnavailable, match="does not exist: create it with"):
        await import_runs(path, scene.environ(AGENT_RUNS_TOPIC="nowhere"))
