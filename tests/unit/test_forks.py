"""The history of a fork: the events of the run that it comes from, in one event of its own."""

from pathlib import Path
from typing import Any

import pytest

from agent_runs import ContextAssembled
from agent_runs.publishing.single_events import build_event
from agent_runs.reader.event_text import event_text
from agent_runs.replay.forks import history_fields
from agent_runs.run_file import RunFile
from agent_runs.testing import RecordingEmitter
from tests.support.replay.run_files import write_run


@pytest.fixture
def recorded(tmp_path: Path) -> RunFile:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        for number in range(3):
            run.input("message_from_user", {"number": number, "text": "x" * 300_000 * (number > 0)})
    return RunFile(write_run(tmp_path / "run.jsonl", run.id, emitter.events()))


async def history(source: RunFile, until: int) -> dict[str, Any]:
    (run,) = (await source.list_runs()).runs
    return await history_fields(run.id, until, source.get_run_events(run.id, until=until))


async def test_the_history_has_the_events_as_a_run_file_has_them(recorded: RunFile) -> None:
    context = (await history(recorded, 1))["context"]

    assert [each["seq"] for each in context["events"]] == [0, 1]
    assert context["events"][1]["event"]["data"] == {"number": 0, "text": ""}
    assert "left_out" not in context


async def test_the_newest_events_are_kept_and_the_others_counted(recorded: RunFile) -> None:
    event = build_event(await history(recorded, 3))

    assert isinstance(event, ContextAssembled)
    assert [each["seq"] for each in event.context["events"]] == [3]
    assert event.context["left_out"] == 3
    origin = event.context["forked_from"]
    assert event_text(event) == f"the history of {origin} up to event 3: 1 event, 3 left out"
