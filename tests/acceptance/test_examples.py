"""Every example runs, and its events are stored."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from difflib import ndiff
from pathlib import Path

from tests.checker.tables import EventRow, RunRow
from tests.support.command_line import agent_runs
from tests.support.paths import CHECKOUT
from tests.support.scene import Scene
from tests.support.waiting import until

EXAMPLES = CHECKOUT / "examples"
CALL = ["tool_requested", "tool_succeeded"]


def environment_of(scene: Scene) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": scene.servers.bootstrap_servers,
        "AGENT_RUNS_TOPIC": scene.topic,
        "DATABASE_URL": scene.database,
        "AGENT_RUNS_EXIT_TIMEOUT_S": "50",  # a busy machine sends the last events late
    }


async def is_waiting(scene: Scene, run_id: str) -> bool:
    return bool(await scene.rows("SELECT FROM agent_runs WHERE id = $1 AND status = 'waiting'", run_id))


async def run_example(scene: Scene, *arguments: str) -> str:
    """Run an example, which must succeed, and return its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=EXAMPLES, env=environment_of(scene), stdout=PIPE, stderr=STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def stored(scene: Scene) -> tuple[dict[str, RunRow], dict[str, list[EventRow]]]:
    """The runs, and their events in order. No event may be missing, dropped or rejected."""
    await scene.run_until_end()
    await scene.assert_consistent()
    tables = await scene.tables()
    assert tables.dead_letters == []
    assert {run.dropped_events for run in tables.runs} == {0}
    runs = {run.id: run for run in tables.runs}
    in_order = sorted(tables.events, key=lambda event: event.event_seq)
    return runs, {run_id: [event for event in in_order if event.run_id == run_id] for run_id in runs}


def types(events: list[EventRow]) -> list[str]:
    return [event.event_type for event in events]


def test_every_example_has_a_test() -> None:
    programs = {path.name for path in EXAMPLES.glob("*.py")}

    assert programs == set(re.findall(r"\w+_\w+\.py", Path(__file__).read_text())) - {Path(__file__).name}


async def test_the_plain_agent_publishes_a_completed_run(scene: Scene) -> None:
    output = await run_example(scene, "plain_agent.py", "How warm is it in Lyon?")

    runs, events = await stored(scene)
    ((run_id, run),) = runs.items()
    assert f"run {run_id}: 7 events are in Kafka" in output
    assert (run.agent_id, run.status) == ("weather-desk", "completed")
    assert types(events[run_id]) == ["run_started", "input", "llm_called", *CALL, *CALL]


async def test_the_plain_agent_publishes_a_failed_run_when_its_tool_fails(scene: Scene) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "plain_agent.py"), "How warm is it in Atlantis?"),
        env=environment_of(scene),
        stderr=PIPE,
    )
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode().rstrip().endswith("LookupError: no weather station is known there")
    runs, events = await stored(scene)
    ((run_id, run),) = runs.items()
    assert run.status == "failed"
    assert types(events[run_id])[-3:] == ["tool_requested", "tool_failed", "run_failed"]


async def test_the_plain_agent_works_without_kafka() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "plain_agent.py")), env={}, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await process.communicate()

    assert process.returncode == 0
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set" in output.decode()
    assert "It is 21.5 °C in Lyon." in output.decode()


async def test_the_asyncio_agent_publishes_runs_with_children(scene: Scene) -> None:
    await run_example(scene, "asyncio_agent.py")

    runs, events = await stored(scene)
    (parent,) = [run for run in runs.values() if run.parent_run_id is None]
    children = [run for run in runs.values() if run.parent_run_id == parent.id]
    assert (parent.agent_id, len(children)) == ("stock-taker", 3)
    assert {run.status for run in runs.values()} == {"completed"}
    for child in children:
        requested = {event.id for event in events[child.id] if event.event_type == "tool_requested"}
        answered = [event for event in events[child.id] if event.event_type in ("tool_succeeded", "tool_failed")]
        assert len(requested) == 3
        assert {event.parent_event_id for event in answered} == requested
    assert sum(event.event_type == "tool_failed" for rows in events.values() for event in rows) == 1


def test_the_returns_agent_publishes_its_run_with_at_most_twelve_changed_lines() -> None:
    bare, instrumented = ((EXAMPLES / f"returns_agent{suffix}.py").read_text() for suffix in ("_bare", ""))
    difference = ndiff(bare.splitlines(), instrumented.splitlines())

    assert 0 < sum(line.startswith(("+ ", "- ")) for line in difference) <= 12


async def test_the_returns_agent_publishes_its_run_with_the_right_parents(scene: Scene) -> None:
    output = await run_example(scene, "returns_agent.py", "I want to return it.")

    assert output == await run_example(scene, "returns_agent_bare.py") == "Send it back; the label is in your mail.\n"
    runs, events = await stored(scene)
    ((run_id, run),) = runs.items()
    assert (run.agent_id, run.status) == ("returns-desk", "completed")
    started, stimulus, *turns = events[run_id]
    assert (started.event_type, stimulus.event_type) == ("run_started", "input")
    calls = [event for event in turns if event.event_type == "llm_called"]
    assert [call.parent_event_id for call in calls[:2]] == [stimulus.id, calls[0].id]
    parents = {event.id: event.parent_event_id for event in turns}
    requests = [event for event in turns if event.event_type == "tool_requested"]
    assert [parents[request.id] for request in requests] == [calls[number].id for number in (0, 0, 1, 2, 3)]
    answers = [event for event in turns if event.event_type in ("tool_succeeded", "tool_failed")]
    assert sorted(str(answer.parent_event_id) for answer in answers) == sorted(request.id for request in requests)
    assert types(answers).count("tool_failed") == 1
    assert turns[-1].event_type == "tool_succeeded"


async def test_the_returns_agent_works_without_kafka() -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "AGENT_RUNS_EXIT_TIMEOUT_S": "0.5"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "returns_agent.py")), env=environment, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()

    assert (process.returncode, output.decode()) == (0, "Send it back; the label is in your mail.\n")
    assert "The process ends before Kafka acknowledged all events; 16 may be lost" in errors.decode()


async def test_a_run_is_paused_in_one_process_and_resumed_in_another(scene: Scene) -> None:
    asked = await run_example(scene, "ask_human.py")
    (run_id,) = re.findall(r"ask_human\.py (\w+) yes", asked)
    await scene.run_until_end()
    (waiting,) = (await scene.tables()).runs
    await run_example(scene, "ask_human.py", run_id, "yes")

    runs, events = await stored(scene)
    assert (waiting.id, waiting.status) == (run_id, "waiting")
    assert [(run.id, run.status) for run in runs.values()] == [(run_id, "completed")]
    answer = ["tool_succeeded", "tool_requested", "tool_succeeded"]
    assert types(events[run_id]) == ["run_started", "input", "tool_requested", *answer]
    ids = [event.id for event in events[run_id]]
    assert [event.parent_event_id for event in events[run_id]] == [None, *ids[:-1]]


async def test_an_agent_that_waits_continues_with_the_answer_of_another_process(scene: Scene) -> None:
    # Given an agent that has asked, while a consumer runs,
    scene.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "ask_human.py", "wait"), cwd=EXAMPLES, env=environment_of(scene), stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    asked = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    (command, run_id) = re.findall(r"Answer with: agent-runs ((?:answer) (\w+) yes)\n", asked)[0]
    await until(lambda: is_waiting(scene, run_id), "the question is stored")
    # when the command that it prints is run, with the other answer,
    answered = await agent_runs(scene.environ(), *command.replace("yes", "no").split(), "--wait", "60")
    # then the agent continues with the answer, and completes its run.
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert (answered.exit_code, answered.errors) == (0, "")
    assert (process.returncode, output.decode()) == (0, "We would rather repair it.\n")
    runs, events = await stored(scene)
    assert runs[run_id].status == "completed"
    question, answer = events[run_id][3:5]
    assert types(events[run_id])[2:] == ["llm_called", *["tool_requested", "tool_succeeded", "llm_called"], *CALL]
    assert (answer.parent_event_id, json.loads(answer.event_data)["result"]) == (question.id, {"answer": "no"})


async def test_stored_runs_are_replayed_against_a_changed_prompt_without_a_side_effect(scene: Scene) -> None:
    output = await run_example(scene, "tool_agent.py")
    assert output.count("EUR 189 are paid for A-4711") == 1
    paid, unknown = re.findall(r"^run (\w+)$", output, re.MULTILINE)
    await scene.run_until_end()

    output = await run_example(scene, "tool_agent.py", "replay", "You are brief.", paid, unknown)

    assert "are paid" not in output
    answered = "{} of {} recorded calls answered from the recording, {} of them although the prompt differs\n"
    assert f"is a replay of {paid}: {answered.format(5, 5, 3)}" in output
    assert f"is a replay of {unknown}: {answered.format(3, 3, 2)}" in output
    difference = 'recorded "You are the refund desk of a shop. Loo…", asked "You are brief.", from character 8 on'
    assert f"prompt differs: event 2, model 'example-1': at system_prompt: {difference}\n" in output
    runs, events = await stored(scene)
    replays = dict(re.findall(r"^run (\w+) is a replay of (\w+)", output, re.MULTILINE))
    assert sorted(replays.values()) == sorted([paid, unknown])
    for run_id, recorded_id in replays.items():
        assert json.loads(runs[run_id].labels) == {"replay_of": recorded_id}
        assert types(events[run_id]) == types(events[recorded_id])


async def test_an_agent_is_paused_and_resumed_in_another_process_from_its_stored_history(scene: Scene) -> None:
    # Given an agent that has asked a human, and whose process has ended,
    scene.start()
    asked = await run_example(scene, "resume_agent.py", "A-4711 is broken.")
    (run_id,) = re.findall(r"^Answer with: agent-runs answer (\w+) yes$", asked, re.MULTILINE)
    await until(lambda: is_waiting(scene, run_id), "the question is stored")
    # when the human answers, and another process resumes the run,
    answered = await agent_runs(scene.environ(), "answer", run_id, "yes", "--wait", "60")
    assert (answered.exit_code, answered.errors) == (0, "")
    resumed = await run_example(scene, "resume_agent.py", "resume", run_id)
    # then it continues where it was: it does not look up the order again,
    assert "EUR 189 are paid\nYour money is on its way.\n" in resumed
    runs, events = await stored(scene)
    assert runs[run_id].status == "completed"
    steps = ["llm_called", *CALL]
    assert types(events[run_id]) == ["run_started", "input", *steps * 4]
    # and its model saw the history of the first process and the answer.
    prompt = json.loads(events[run_id][8].event_data)["user_prompt"]
    assert prompt.startswith("<input>\ntool: message_from_user\ndata:\n  text: A-4711 is broken.\n</input>\n")
    assert "<tool_succeeded>\ntool_name: get_order\nresult:\n  article: grinder\n  eur: 189" in prompt
    assert prompt.endswith('<tool_succeeded>\ntool_name: ask_human\nresult:\n  answer: "yes"\n</tool_succeeded>')


async def test_a_run_is_forked_before_its_second_model_call_and_continues_with_another_prompt(scene: Scene) -> None:
    # Given a stored run that has booked a slot,
    output = await run_example(scene, "fork_run.py")
    assert "booked: Tuesday, 10:00\n" in output
    (run_id,) = re.findall(r"^run (\w+)$", output, re.MULTILINE)
    await scene.consume()
    # when it is forked after the booking, and the fork is taken up with another prompt,
    forked = await agent_runs(scene.environ(), "fork", run_id, "--until", "4", "--wait", "0")
    assert forked.exit_code == 0, forked
    fork_id = forked.output.strip()
    await scene.consume()
    shown = await agent_runs(scene.environ(), "show", fork_id)
    assert f"the history of {run_id} up to event 4: 5 events\n" in shown.output
    output = await run_example(scene, "fork_run.py", fork_id, "Be formal.")
    # then only the second model call is made, and nothing is booked,
    assert re.findall("^the model is called: (.*)$", output, re.MULTILINE) == [
        "Confirm Tuesday, 10:00 to Ada. Be formal."
    ]
    assert "booked:" not in output
    assert "Dear Ada, I confirm our meeting.\n" in output
    assert "2 of 2 recorded calls answered from the recording; 1 call answered live" in output
    # the fork has all of its events, the history before it was taken up, and names the run that it comes from,
    runs, events = await stored(scene)
    first, *others = types(events[run_id])
    assert types(events[fork_id]) == [first, "context_assembled", *others]
    history = json.loads(events[fork_id][1].event_data)["context"]
    assert [each["event"]["type"] for each in history["events"]] == types(events[run_id])[:5]
    assert [runs[fork_id].status, json.loads(runs[fork_id].labels)] == ["completed", {"forked_from": run_id}]
    started = json.loads(events[fork_id][0].event_data)
    assert (started["forked_from"], started["forked_until"]) == (run_id, 4)
    assert json.loads(runs[run_id].labels) == {}
    # and the command line lists it.
    listed = await agent_runs(scene.environ(), "runs", "--label", f"forked_from={run_id}")
    (row,) = listed.output.splitlines()[1:]
    assert row.startswith(f"{fork_id}  completed  scheduler  ")
    assert row.endswith(f"  fork of {run_id}")
    shown = await agent_runs(scene.environ(), "show", fork_id)
    assert f"origin   fork of {run_id}\n" in shown.output
    assert f"scheduler forked_from={run_id} forked_until=4\n" in shown.output
    refused = await agent_runs(scene.environ(), "fork", run_id, "--until", "99")
    assert (refused.exit_code, refused.errors) == (
        2,
        f"error: the run '{run_id}' has no event '99': its events have the numbers 0 to 6\n",
    )
