"""Questions, roles and labels from the topic to the tables, for `verify` and for the checker."""

import json
from itertools import count

from tests.support.messages import Message, event
from tests.support.scene import Scene

ANSWER = {"tool_name": "ask_human", "result": "yes"}
RESPONSE = {"tool": "human_response", "data": "yes"}
_numbers = count()


def step(kind: str, event_id: str = "", **fields: object) -> bytes:
    return event(event_id or f"e{next(_numbers)}", kind, **fields)


def asked(*event_ids: str, tool: str = "ask_human", **fields: object) -> list[bytes]:
    return [step("tool_requested", event_id, tool_name=tool, **fields) for event_id in event_ids]


# By run: its events, and the status and the open questions after them.
RUNS: dict[str, tuple[list[bytes], str, list[str]]] = {
    "asked twice": (asked("q1", "q2"), "waiting", ["q1", "q2"]),
    "answered in order": (
        [*asked("q1", "q2"), step("tool_succeeded", parent_event_id="q1", **ANSWER)],
        "waiting",
        ["q2"],
    ),
    "answered in the other order": (
        [*asked("q1", "q2"), step("tool_succeeded", parent_event_id="q2", **ANSWER)],
        "waiting",
        ["q1"],
    ),
    "answered in order to the end": (
        [*asked("q1", "q2"), *(step("tool_succeeded", parent_event_id=name, **ANSWER) for name in ("q1", "q2"))],
        "running",
        [],
    ),
    "answered in the other order to the end": (
        [*asked("q1", "q2"), *(step("tool_succeeded", parent_event_id=name, **ANSWER) for name in ("q2", "q1"))],
        "running",
        [],
    ),
    "human responses in order": (
        [*asked("q1", "q2"), *(step("input", parent_event_id=name, **RESPONSE) for name in ("q1", "q2"))],
        "running",
        [],
    ),
    "human responses in the other order": (
        [*asked("q1", "q2"), step("input", parent_event_id="q2", **RESPONSE)],
        "waiting",
        ["q1"],
    ),
    "human responses in the other order to the end": (
        [*asked("q1", "q2"), *(step("input", parent_event_id=name, **RESPONSE) for name in ("q2", "q1"))],
        "running",
        [],
    ),
    "a human response, then the result of the tool": (
        [
            *asked("q1", "q2"),
            step("input", parent_event_id="q1", **RESPONSE),
            step("tool_succeeded", parent_event_id="q1", **ANSWER),
        ],
        "waiting",
        ["q2"],
    ),
    "continued without an answer": ([*asked("q1"), step("input")], "running", ["q1"]),
    "a crash after a terminal tool": (
        [step("tool_succeeded", tool_name="respond_to_user", result=1), step("run_failed", error="killed")],
        "failed",
        [],
    ),
    "a failure after an explicit completion": (
        [
            step("tool_succeeded", tool_name="respond_to_user", result=1),
            step("run_completed"),
            step("run_failed", error="late"),
        ],
        "completed",
        [],
    ),
    "a renamed human tool": (asked("q1", tool="ask_user", role="waits"), "waiting", ["q1"]),
    "a renamed human tool, answered": (
        [
            *asked("q1", "q2", tool="ask_user", role="waits"),
            step("tool_failed", tool_name="ask_user", error="no answer"),
        ],
        "waiting",
        ["q2"],
    ),
    "a renamed terminal tool": (
        [*asked("q1"), step("tool_succeeded", tool_name="reply", result=1, role="finishes")],
        "completed",
        [],
    ),
    "a name that JSONB cannot store": (asked("q1", tool="a\0b", role="waits"), "waiting", []),
}
STATUSES = "SELECT id, status, open_questions::text FROM agent_runs ORDER BY id"
INBOX = "SELECT id FROM agent_runs WHERE open_questions <> '[]' ORDER BY status_changed_at, id"
LABELS = "SELECT id, labels::text FROM agent_runs"


async def test_statuses_and_open_questions_are_those_of_the_fold_however_the_events_are_batched(scene: Scene) -> None:
    # Given runs with questions, roles and crashes,
    events = [(name.encode(), value) for name, (values, *_) in RUNS.items() for value in values]
    await scene.publish(*(Message(key, value) for key, value in events))
    # when they are consumed in batches of two records, so that batches continue the states in the tables,
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="2")
    # then each run has its status and its open questions,
    found = {
        name: (status, [question["id"] for question in json.loads(questions)])
        for name, status, questions in await scene.rows(STATUSES)
    }
    assert found == {name: (status, questions) for name, (_, status, questions) in RUNS.items()}
    waiting = [name for name, (_, _, questions) in RUNS.items() if questions]
    assert sorted(name for (name,) in await scene.rows(INBOX)) == sorted(waiting)
    # and the checker and `verify` agree.
    await scene.assert_consistent()
    verified = await scene.command("verify")
    assert (verified.exit_code, "0 differences" in verified.output) == (0, True), verified.output


async def test_the_labels_of_the_first_run_started_are_stored(scene: Scene) -> None:
    labels = {"version": "1.4", "environment": "test", "empty": ""}
    await scene.publish(
        Message(b"labelled", step("run_started", labels=labels)),
        Message(b"labelled", step("run_started", labels={"version": "2"})),
        Message(b"first without", step("run_started")),
        Message(b"first without", step("run_started", labels=labels)),
        Message(b"null", step("run_started", labels=None)),
        Message(b"invalid", step("run_started", labels={"version": 2})),
    )
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="1")

    found = {name: json.loads(text) for name, text in await scene.rows(LABELS)}
    assert found == {"labelled": labels, "first without": {}, "null": {}}
    assert [reason for _, reason in await scene.dead_letters()] == ["invalid_event"]
    await scene.assert_consistent()
