"""Real runs are replayed through an agent with a loop over the answers of its model, without any network."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_runs import LlmCalled, RunCompleted, ToolRequested
from agent_runs.replay import Recording, Report, ToolRule, Unit
from agent_runs.testing import RecordingEmitter
from examples.tool_agent import ToolAgent
from tests.support.workloads import real_runs
from tests.support.workloads.real_runs import Trajectory

# Twenty runs, or all of them.
SOME_OR_ALL = pytest.mark.parametrize("count", [20, pytest.param(None, marks=pytest.mark.slow)])
RENAMED, REFORMATTED = "get_reservation_details", "get_user_details"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def never_called(name: str) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        pytest.fail(f"{name} was called")

    function.__name__ = name
    return function


def agent_of(trajectory: Trajectory) -> ToolAgent:
    """An agent with the model, the system prompt and the tools of a recorded run, none of which may be called."""
    calls = [call for message in trajectory["messages"] for call in message.get("tool_calls") or ()]
    return ToolAgent(
        model=trajectory["model"],
        system_prompt=trajectory["messages"][0]["content"],
        call_model=never_called("the model"),
        tools={name: never_called(name) for name in {call["function"]["name"] for call in calls}},
        last_tools=frozenset({"transfer_to_human_agents"}),
    )


class Replayed:
    """The replay of a run by an agent: its report, the recorded events and the emitted ones."""

    def __init__(self, trajectory: Trajectory, agent: ToolAgent, **options: Any) -> None:
        self.recorded = real_runs.events_of(trajectory)
        recording = Recording(self.recorded, run_id=trajectory["run_id"], **options)
        emitter = RecordingEmitter()
        with emitter.start_run(agent_id=trajectory["agent"], session_id="s", recording=recording) as run:
            agent.converse(run, inputs_of(recording))
            run.run_completed(trajectory["reward"])  # the benchmark's judgement, not the agent's
        self.emitted = emitter.events(run.id)
        self.report: Report = recording.finish()

    def units(self, *types: type) -> list[int]:
        """The numbers of the recorded events of these types."""
        return [seq for seq, event in enumerate(self.recorded) if isinstance(event, types)]

    def calls_of(self, tool: str) -> list[int]:
        """The numbers of the recorded requests of a tool."""
        return [
            seq
            for seq, event in enumerate(self.recorded)
            if isinstance(event, ToolRequested) and event.tool_name == tool
        ]

    def model_calls_after(self, calls: list[int]) -> list[int]:
        """The numbers of the model calls after the first of these calls: their prompts repeat its result."""
        return [seq for seq in self.units(LlmCalled) if calls and seq > calls[0]]


def inputs_of(recording: Recording) -> Any:
    while (event := recording.next_input()) is not None:
        yield event.data


def content(events: list[Any]) -> list[Any]:
    """The fields of events without ids and times, and the number of the request of each answer."""
    requests = {event.id: number for number, event in enumerate(events) if isinstance(event, ToolRequested)}
    hidden = ("id", "timestamp", "parent_event_id", "labels")
    return [
        (
            event.type,
            [getattr(event, name) for name in event.__struct_fields__ if name not in hidden],
            requests.get(event.parent_event_id) if event.type == "tool_succeeded" else None,
        )
        for event in events
    ]


def numbers(units: list[Unit]) -> list[int]:
    return [unit.seq for unit in units]


def test_every_call_of_real_runs_is_served_and_the_emitted_run_is_the_recorded_one() -> None:
    served = 0
    for trajectory in real_runs.trajectories():
        replayed = Replayed(trajectory, agent_of(trajectory), strict=True)

        assert replayed.report.is_clean
        assert numbers(replayed.report.served) == replayed.units(LlmCalled, ToolRequested)
        assert content(replayed.emitted) == content(replayed.recorded)
        assert isinstance(replayed.emitted[-1], RunCompleted)
        served += len(replayed.report.served)
    assert served > 1500


@SOME_OR_ALL
def test_a_reworded_system_prompt_is_reported_for_every_model_call_and_for_no_tool(
    count: int | None,
) -> None:
    for trajectory in real_runs.trajectories(count):
        agent = agent_of(trajectory)
        reworded = agent.system_prompt.replace("# Airline Agent Policy", "# Policy of the airline's agents")
        replayed = Replayed(trajectory, replace(agent, system_prompt=reworded))

        report = replayed.report
        assert numbers([drift.unit for drift in report.drifted]) == replayed.units(LlmCalled)
        assert report.drifted
        assert {drift.difference.partition(":")[0] for drift in report.drifted} == {"at system_prompt"}
        assert numbers(report.served) == replayed.units(LlmCalled, ToolRequested)
        assert (report.unserved, report.live, report.refused, report.divergences) == ([], [], [], [])


@SOME_OR_ALL
def test_another_format_of_a_tools_output_is_reported_for_the_model_calls_whose_prompts_have_it(
    count: int | None,
) -> None:
    concerned = 0
    for trajectory in real_runs.trajectories(count):
        agent = replace(agent_of(trajectory), formats={REFORMATTED: lambda result: f"user: {result}"})
        replayed = Replayed(trajectory, agent)

        report = replayed.report
        expected = replayed.model_calls_after(replayed.calls_of(REFORMATTED))
        assert numbers([drift.unit for drift in report.drifted]) == expected
        assert all(drift.difference.startswith("at user_prompt[") for drift in report.drifted)
        assert numbers(report.served) == replayed.units(LlmCalled, ToolRequested)
        assert (report.unserved, report.live, report.refused, report.divergences) == ([], [], [], [])
        concerned += len(expected)
    assert concerned > 25


@SOME_OR_ALL
def test_a_renamed_tool_is_reported_for_its_calls_and_the_model_calls_that_see_its_errors(
    count: int | None,
) -> None:
    concerned = 0
    for trajectory in real_runs.trajectories(count):
        agent = agent_of(trajectory)
        tools = {**agent.tools, RENAMED: never_called("find_reservation")}
        rules = {"find_reservation": ToolRule(on_miss="error")}
        replayed = Replayed(trajectory, replace(agent, tools=tools), tools=rules)

        report, calls = replayed.report, replayed.calls_of(RENAMED)
        assert [request.name for request in report.refused] == ["find_reservation"] * len(calls)
        assert numbers(report.unserved) == calls
        assert numbers([drift.unit for drift in report.drifted]) == replayed.model_calls_after(calls)
        assert (report.live, report.divergences) == ([], [])
        concerned += len(calls)
    assert concerned > 25
