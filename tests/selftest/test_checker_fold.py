"""The checker's own fold gives the same states as the library's."""

import json
from random import Random

from agent_runs import RunState, fold
from agent_runs.codec.decode import decode_event
from agent_runs.questions import Question
from tests.checker.fold import Fold
from tests.support.workloads.runs import RunWriter, run_events

RUNS = 400


def pairs(questions: tuple[Question, ...]) -> list[tuple[str, str]]:
    return [(question.id, question.tool_name) for question in questions]


def test_both_folds_give_the_same_state_after_each_event() -> None:
    rng = Random(20261130)
    seen = set()
    for number in range(RUNS):
        state, checked = RunState(), Fold()
        for message in run_events(RunWriter(rng, f"run-{number}", [])):
            text = json.dumps(message).encode()
            state = fold(state, decode_event(text))
            checked.add(json.loads(text))
            status = "by_tool" if state.completed_by_tool else str(state.status)
            assert (status, pairs(state.open_questions), pairs(state.answered_questions)) == (
                checked.status,
                checked.open,
                checked.answered,
            )
            seen.add((status, min(len(checked.open), 2)))
    # All statuses occur, and runs that wait with several questions, with one, and with none.
    assert seen >= {("running", 0), ("waiting", 0), ("waiting", 1), ("waiting", 2), ("by_tool", 0)}
    assert seen >= {("completed", 0), ("failed", 0), ("running", 1)}
