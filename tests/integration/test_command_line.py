"""The command line `agent-runs`, with real servers."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from agent_runs.cli.main import cli
from agent_runs.reader import RunFilter
from tests.support.command_line import Ran, agent_runs
from tests.support.messages import Message, event
from tests.support.scene import MakeScene, Scene
from tests.support.servers import MakeTopic
from tests.support.stored_runs import insert_run

PROMPT = {"model": "m-1", "system_prompt": "You book flights.\nBe brief."}
SAID = [{"role": "user", "content": "Lisbon, please."}]
ASKED = {"tool_name": "ask_human", "tool_args": {"question": "Spend EUR 420?"}}

BOOKING = [
    event("started", "run_started", agent_id="booking", session_id="s-1"),
    event("input", tool="message_from_user", data="Lisbon, please."),
    event("call-1", "llm_called", **PROMPT, user_prompt=json.dumps(SAID), raw_response="search"),
    event("search", "tool_requested", tool_name="search", tool_args={"to": "Lisbon"}),
    event("found", "tool_succeeded", tool_name="search", result={"eur": 420}, parent_event_id="search"),
    event("call-2", "llm_called", **PROMPT, user_prompt=json.dumps([*SAID, {"role": "tool"}]), raw_response="ask"),
    event("ask-1", "tool_requested", **ASKED),
    event("ask-2", "tool_requested", tool_name="ask_human", tool_args={"question": "Window or aisle?"}),
]
FAILED = [
    event("started", "run_started", agent_id="booking", session_id="s-1", parent_run_id="booking-7"),
    event("search", "tool_requested", tool_name="search", tool_args={"to": "Lisbon"}),
    event("found", "tool_succeeded", tool_name="search", result={"eur": 390}, parent_event_id="search"),
    event("hole", "events_dropped", count=3, reason="queue_full"),
    event("failed", "run_failed", error="TimeoutError: the airline\x1b[31m did not answer \u202e"),
]


async def booked(scene: Scene) -> Scene:
    """Store the runs of the examples in the help texts."""
    for run_id, messages in (("booking-7", BOOKING), ("booking-8", FAILED)):
        await scene.publish(*(Message(run_id.encode(), value) for value in messages))
    await scene.consume()
    return scene


async def run(scene: Scene, *arguments: str, exit_code: int = 0, stdin: bytes = b"") -> Ran:
    ran = await agent_runs(scene.environ(), *arguments, stdin=stdin)
    assert ran.exit_code == exit_code, ran
    if arguments[0] != "export":  # a run file has the messages as they are
        assert "\x1b" not in ran.output + ran.errors
        assert "\u202e" not in ran.output + ran.errors
    return ran


async def test_an_auditor_gets_each_answer_with_one_command(scene: Scene) -> None:
    await booked(scene)

    # Which runs failed, and why?
    failed = await run(scene, "runs", "--status", "failed")
    assert failed.output.splitlines()[1].startswith("booking-8  failed  booking  ")
    assert r"3 events dropped; TimeoutError: the airline\x1b[31m did not answer \u202e" in failed.output
    # Which runs have holes, and where?
    assert (await run(scene, "runs", "--status", "failed", "--since", "1h")).output == failed.output
    (line,) = (await run(scene, "runs", "--status", "failed", "-o", "jsonl")).output.splitlines()
    assert json.loads(line)["note"] == "3 events dropped; TimeoutError: the airline\x1b[31m did not answer \u202e"
    assert [row.split()[0] for row in (await run(scene, "runs", "--holes")).output.splitlines()[1:]] == ["booking-8"]
    shown = await run(scene, "show", "booking-8")
    assert "hole before event 4: 3 events are missing: queue_full" in shown.output
    assert re.search(r"booking-7  waiting  booking\n  booking-8  failed  booking\n", shown.output)
    # Which agent fails most?
    (counted,) = json.loads((await run(scene, "agents", "-o", "json")).output)
    assert {name: counted[name] for name in ("agent", "runs", "failed", "waiting", "completed")} == {
        "agent": "booking",
        "runs": 2,
        "failed": 1,
        "waiting": 1,
        "completed": 0,
    }
    assert re.match(r"AGENT +RUNS +FAILED +.*\nbooking +2 +1 +0 +1 +0 +\d{4}-", (await run(scene, "agents")).output)
    none = await run(scene, "agents", "--since", "9000-01-01")
    assert none.errors == "No run was created since 9000-01-01 00:00:00Z.\n"
    # What exactly did the model see in its second call, and what was new?
    prompt = await run(scene, "prompt", "booking-7", "--call", "2")
    assert "You book flights.\nBe brief.\n" in prompt.output
    assert '    "content": "Lisbon, please."' in prompt.output
    new = await run(scene, "prompt", "booking-7", "--call", "2", "--diff")
    assert 'since call 1\nuser_prompt[1] added\n+ {"role":"tool"}\n' in new.output
    assert "Lisbon" not in new.output
    unknown = await run(scene, "prompt", "booking-7", "--call", "9", exit_code=2)
    assert "the run 'booking-7' has no call 9: its last one is --call 2" in unknown.errors
    assert "has no call of a language model" in (await run(scene, "prompt", "booking-8", exit_code=2)).errors
    exact = json.loads((await run(scene, "prompt", "booking-7", "--call", "1", "-o", "json")).output)
    assert (exact["system_prompt"], exact["user_prompt"]) == (PROMPT["system_prompt"], json.dumps(SAID))
    # Who waits for whom?
    questions = await run(scene, "questions")
    assert [row.split()[0] for row in questions.output.splitlines()[1:]] == ["booking-7", "booking-7"]
    assert "ask_human: Spend EUR 420?" in questions.output
    assert "ask_human: Spend EUR 420?; ask_human: Window or aisle?" in (await run(scene, "runs")).output


async def test_each_example_of_each_help_text_works(
    scene: Scene, make_topic: MakeTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(scene)
    target = await make_topic()
    monkeypatch.chdir(tmp_path)

    for name, command in cli.commands.items():
        text = (await run(scene, name, "--help")).output
        examples = re.findall(
            r"^ +agent-runs (.*)$", text.partition("Examples:\n")[2].partition("\n\n")[0], re.MULTILINE
        )
        assert 2 <= len(examples) <= 3, name
        assert max(map(len, text.splitlines())) <= 80, name
        assert command.help
        for example in examples:
            # A run whose question is answered would need another one for the second example of `answer`.
            line, _, source = example.partition(" < ")
            stdin = Path(source).read_bytes() if source else b""  # noqa: ASYNC240
            arguments = shlex.split(line.replace("run-events-copy", target))
            if name == "answer" and "--question" not in arguments:
                arguments += ["--question", "ask-1"]
            if name in ("answer", "fork"):
                arguments += ["--wait", "0"]
            await run(scene, *arguments, stdin=stdin, exit_code=1 if name == "diff" else 0)


async def test_the_runs_that_wait_for_others_name_them_and_their_questions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned = event("spawn", "tool_requested", tool_name="spawn_agent", tool_args={"task": "fly"})
    child = [
        event("s", "run_started", agent_id="booking", parent_run_id="trip"),
        event("ask-1", "tool_requested", **ASKED),
    ]
    await scene.publish(Message(b"trip", spawned), *(Message(b"flight", value) for value in child))
    await scene.consume()

    listed = (await run(scene, "runs", "--status", "waiting")).output
    shown = (await run(scene, "show", "trip")).output
    of_child = (await run(scene, "show", "flight")).output
    monkeypatch.setattr("agent_runs.cli.show._TREE_RUNS", 0)
    of_parent_of_many = (await run(scene, "show", "trip")).output
    refused = (await run(scene, "answer", "trip", "yes", exit_code=2)).errors

    assert re.search(r"^trip .* since \d{4}-.*Z: spawn_agent: fly; its child flight is waiting$", listed, re.MULTILINE)
    assert re.search(r"^flight .* since \d{4}-.*Z: ask_human: Spend EUR 420\?$", listed, re.MULTILINE)
    assert re.search(r"\n\nopen question ask-1 of flight\n  waits for .*: ask_human: Spend EUR 420\?\n", shown)
    assert "open question ask-1\n" in of_child
    assert of_parent_of_many.count("open question ask-1 of flight\n") == shown.count("ask-1 of flight\n") == 1
    # Without its id, a request of spawn_agent, which the child answers, is not answered by a person.
    assert "its child flight is waiting\n  --question spawn  spawn_agent: fly\n" in refused


async def test_an_answer_lets_the_run_continue_and_a_second_one_is_refused(scene: Scene) -> None:
    await booked(scene)

    several = await run(scene, "answer", "booking-7", "yes", exit_code=2)
    assert "several open questions" in several.errors
    assert "--question ask-2  ask_human: Window or aisle?" in several.errors
    sent = await run(scene, "answer", "booking-7", "yes", "--question", "ask-1", "--by", "ada", "--wait", "0")
    assert "The answer is in Kafka, but not stored yet" in sent.errors
    await scene.consume()
    again = await run(scene, "answer", "booking-7", "no", "--question", "ask-1", exit_code=2)
    assert """'ask-1' was answered by event 8: ask_human by ada → {"answer":"yes"}""" in again.errors
    unknown = await run(scene, "answer", "booking-7", "no", "--question", "ask-9", exit_code=2)
    assert "has no question 'ask-9'" in unknown.errors
    await run(scene, "answer", "booking-7", '{"seat": "window"}', "--json", "--wait", "0")
    await scene.consume()

    (first, second), ((status,),) = (
        await scene.rows("SELECT event_data FROM run_events WHERE run_id = 'booking-7' AND event_seq > 7 ORDER BY 1"),
        await scene.rows("SELECT status FROM agent_runs WHERE id = 'booking-7'"),
    )
    answers = sorted((json.loads(row[0]) for row in (first, second)), key=lambda found: found["parent_event_id"])
    assert [(found["parent_event_id"], found["result"]) for found in answers] == [
        ("ask-1", {"answer": "yes"}),
        ("ask-2", {"seat": "window"}),
    ]
    assert (answers[0]["answered_by"], status) == ("ada", "running")
    done = await run(scene, "answer", "booking-7", "no", exit_code=2)
    assert "has no open question; event 9 answered the last one" in done.errors


async def test_runs_are_exported_read_from_the_file_and_imported(make_scene: MakeScene, tmp_path: Path) -> None:
    first, second = await booked(await make_scene()), await make_scene()
    path = str(tmp_path / "runs.jsonl")

    exported = await run(first, "export", "booking-7", "--with-children", "-f", path)
    piped = await run(first, "export", "booking-7", "booking-8", "-f", "-")
    imported = await run(second, "import", path)
    await second.consume()

    assert exported.errors == f"Exported 2 runs with 13 events to {path}.\n"
    assert piped.output == Path(path).read_text(encoding="utf-8")  # noqa: ASYNC240
    assert imported.output == "Published 13 events of 2 runs; a consumer stores them.\n"
    for command in (("show", "booking-8"), ("events", "booking-7"), ("prompt", "booking-7"), ("questions",)):
        from_file, from_database = await run(first, "--file", path, *command), await run(first, *command)
        assert without_ages(from_file.output) == without_ages(from_database.output)
    assert (await run(second, "--file", path, "diff", "booking-7", "booking-7")).output.endswith("8 events are equal\n")
    altered = Path(path).read_bytes().replace(b"Lisbon", b"London")  # noqa: ASYNC240
    refused = await run(second, "import", "-", stdin=altered, exit_code=2)
    problem = "line 10: the digest differs: one of the lines 1 to 9 was altered"
    assert refused.errors == f"error: standard input: {problem}\n"
    Path(path).write_bytes(altered)  # noqa: ASYNC240
    for arguments in (["import", path], ["--file", path, "runs"]):
        assert (await run(second, *arguments, exit_code=2)).errors == f"error: {path}: {problem}\n"


def without_ages(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?(ms|s|m|h|d)\b( ago)?", "…", text)


async def test_two_runs_are_compared_by_what_was_asked(scene: Scene) -> None:
    await booked(scene)

    ran = await run(scene, "diff", "booking-7", "booking-8", exit_code=1)

    assert "            result.eur changed\n            - 420\n            + 390\n" in ran.output
    pairs = json.loads((await run(scene, "diff", "booking-7", "booking-8", "-o", "json", exit_code=1)).output)
    (answer,) = [pair for pair in pairs if pair["before"] == 4]
    assert (answer["after"], answer["type"]) == (2, "tool_succeeded")
    assert answer["changes"] == [{"path": ["result", "eur"], "kind": "changed", "before": 420, "after": 390}]
    assert [pair["before"] for pair in pairs if pair["after"] is None] == [1, 2, 5, 6, 7]


async def test_events_are_filtered_and_written_as_json_lines(scene: Scene) -> None:
    await booked(scene)

    lines = (await run(scene, "events", "booking-7", "--from", "2", "--grep", "Lis.on", "-o", "jsonl")).output
    document = json.loads((await run(scene, "events", "booking-7", "--type", "tool_requested", "-o", "json")).output)
    unfit = await run(scene, "events", "booking-7", "--grep", "(", exit_code=2)
    misspelt = await run(scene, "events", "booking-7", "--type", "tool_request")

    assert [json.loads(line)["event"]["id"] for line in lines.splitlines()] == ["call-1", "search", "call-2"]
    assert [found["event"] for found in document] == [json.loads(BOOKING[number]) for number in (3, 6, 7)]
    assert "--grep: not a regular expression" in unfit.errors
    assert (misspelt.output, misspelt.errors) == ("", "No event matches.\n")


async def test_a_list_of_runs_continues_with_its_cursor(scene: Scene) -> None:
    for number in range(3):
        await insert_run(scene.database, f"r{number}", number, status="completed")

    first = await run(scene, "runs", "--limit", "2", "-o", "json")
    second = await run(scene, "runs", "--limit", "2", "-o", "jsonl", "--cursor", json.loads(first.output)["cursor"])

    assert [found["id"] for found in json.loads(first.output)["runs"]] == ["r2", "r1"]
    assert [json.loads(line)["id"] for line in second.output.splitlines()] == ["r0"]
    assert "There are more: continue with --cursor" in (await run(scene, "runs", "--limit", "2")).errors
    # One long id does not move the columns of the others.
    await insert_run(scene.database, "x" * 200, 9)
    assert max(map(len, (await run(scene, "runs")).output.splitlines()[2:])) < 120
    assert (await run(scene, "runs", "--agent", "nobody")).errors == "No run matches.\n"


async def test_every_condition_of_the_reader_is_an_option(scene: Scene) -> None:
    await insert_run(scene.database, "old", 0, status="completed", labels={"environment": "test", "version": "1"})
    await insert_run(scene.database, "asks", 5, questions=[{"id": "q", "tool_name": "ask"}], labels={"version": "1"})

    async def found(*options: str) -> list[str]:
        return [line.split()[0] for line in (await run(scene, "runs", *options)).output.splitlines()[1:]]

    options = {name for option in cli.commands["runs"].params for name in (option.name, *option.opts)}
    names = set(RunFilter.__struct_fields__)
    assert names <= options
    assert {f"--{name.replace('_', '-')}" for name in names - {"labels"}} <= options
    assert await found("--label", "version=1") == ["asks", "old"]
    assert await found("--label", "version=1", "--label", "environment=test") == ["old"]
    assert await found("--has-open-questions", "--updated-from", "2026-01-01T01:05:00+01:00") == ["asks"]
    assert await found("--updated-before", "2026-01-01T00:05") == ["old"]
    for wrong in (("--label", "version"), ("--label", "a=1", "--label", "a=2")):
        assert "label" in (await run(scene, "runs", *wrong, exit_code=2)).errors


async def test_an_event_is_emitted_from_a_shell(scene: Scene) -> None:
    printed = (await run(scene, "emit", "backup", "run_started", '{"agent_id": "backup"}')).output.strip()
    await run(scene, "emit", "backup", "run_failed", '{"error": "disk full"}', "--parent", printed)
    misspelt = await run(scene, "emit", "backup", "run_faild", exit_code=2)
    invalid = await run(scene, "emit", "backup", "run_failed", exit_code=2)
    await scene.consume()

    assert "'run_faild' is none of the types" in misspelt.errors
    assert "not a valid event: " in invalid.errors
    rows = await scene.rows("SELECT id, parent_event_id, event_type FROM run_events ORDER BY event_seq")
    assert [tuple(row[1:]) for row in rows] == [(None, "run_started"), (printed, "run_failed")]
    assert rows[0][0] == printed


async def test_the_status_has_the_lag_in_records_and_seconds(scene: Scene) -> None:
    await booked(scene)
    await scene.publish(Message(b"booking-7", event("late")), Message(b"booking-7", b"{"))

    found: dict[str, Any] = json.loads((await run(scene, "status", "-o", "json")).output)
    text = (await run(scene, "status")).output
    other = await agent_runs(scene.environ() | {"AGENT_RUNS_TOPIC": "nowhere"}, "status")
    await scene.consume()
    after = json.loads((await run(scene, "status", "-o", "json")).output)

    assert found["runs"]["waiting"] == {"count": 1, "is_estimate": False}
    ((lag,), (later,)) = found["partitions"], after["partitions"]
    assert (lag["next_offset"], lag["lag_records"], later["lag_records"], later["lag_seconds"]) == (13, 2, 0, 0.0)
    assert lag["lag_seconds"] > 0
    assert "0 running, 1 waiting, 0 completed, 1 failed" in text
    assert (other.exit_code, "The database holds the topic 'test-" in other.errors) == (4, True)
    assert (found["open_dead_letters"], after["open_dead_letters"]) == (0, 1)


async def test_what_is_missing_is_one_sentence_with_the_remedy_and_an_exit_code(
    scene: Scene, empty_database: str
) -> None:
    environ = scene.environ()
    unset = {name: value for name, value in environ.items() if name not in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")}
    nothing = "postgresql://nobody@127.0.0.1:1/none"
    cases = {
        "there is no run 'x'": (environ, ("show", "x"), 2),
        "DATABASE_URL: is not set": (unset, ("runs",), 2),
        "create the tables with `agent-runs-consumer migrate`": (
            environ | {"DATABASE_URL": empty_database},
            ("runs",),
            2,
        ),
        "start it, or correct the host and the port in DATABASE_URL": (
            environ | {"DATABASE_URL": nothing},
            ("runs",),
            4,
        ),
        "correct the host or sslmode in DATABASE_URL": (
            environ | {"DATABASE_URL": f"{scene.database}?sslmode=require"},
            ("runs",),
            2,
        ),
        "KAFKA_BOOTSTRAP_SERVERS: is not set": (unset, ("emit", "r", "input", '{"tool": "t", "data": 1}'), 2),
        "does not exist: create it with": (environ | {"AGENT_RUNS_TOPIC": "nowhere"}, ("status",), 4),
        "'1 hour' is not a duration like 90s": (environ, ("runs", "--stale", "1 hour"), 2),
        "No such command 'rums'": (environ, ("rums",), 2),
        "'99999999999999d' is too long": (environ, ("runs", "--stale", "99999999999999d"), 2),
        "is not a time like": (environ, ("runs", "--since", "0001-01-01T00:00+14:00"), 2),
        "has no partition 99": (environ, ("replay", "--from", "99:1"), 2),
        "99999999999 is not in the range": (environ, ("events", "x", "--from", "99999999999"), 2),
        r"'\udcff' is not text in the locale's encoding": (environ, ("show", "\udcff"), 2),
        "TEXT is empty": (environ, ("answer", "x", " "), 2),
    }
    for sentence, (given, arguments, exit_code) in cases.items():
        ran = await agent_runs(given, *arguments)
        assert ran.exit_code == exit_code, ran
        assert sentence in " ".join(ran.errors.split())
        assert "Traceback" not in ran.errors
