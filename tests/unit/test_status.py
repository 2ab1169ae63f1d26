"""`next_status`, for every cell of the contract's status table."""

import pytest

from agent_runs.events import EVENT_CLASSES
from agent_runs.status import RunStatus, next_status

RUN, WAIT, DONE, FAIL = RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED, RunStatus.FAILED

NONE = (None,)
WAITING = ("ask_human", "spawn_agent")
TERMINAL = ("respond_to_user", "done")
OTHER = ("calendar_search", "", "Ask_human", "run_completed")
ANY = NONE + WAITING + TERMINAL + OTHER

TABLE = [
    # event                tools            from:  running  waiting  completed  failed
    ("input",              ANY,                   (RUN,     RUN,     RUN,       RUN)),
    ("run_resumed",        ANY,                   (RUN,     RUN,     RUN,       RUN)),
    ("run_waiting",        ANY,                   (WAIT,    WAIT,    DONE,      FAIL)),
    ("run_completed",      ANY,                   (DONE,    DONE,    DONE,      FAIL)),
    ("run_failed",         ANY,                   (FAIL,    FAIL,    DONE,      FAIL)),
    ("run_started",        ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("context_assembled",  ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("llm_called",         ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("llm_failed",         ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("events_dropped",     ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("tool_requested",     WAITING,               (WAIT,    WAIT,    DONE,      FAIL)),
    ("tool_requested",     TERMINAL,              (RUN,     WAIT,    DONE,      FAIL)),
    ("tool_requested",     NONE + OTHER,          (RUN,     WAIT,    DONE,      FAIL)),
    ("tool_succeeded",     WAITING,               (RUN,     RUN,     DONE,      FAIL)),
    ("tool_succeeded",     TERMINAL,              (DONE,    DONE,    DONE,      FAIL)),
    ("tool_succeeded",     NONE + OTHER,          (RUN,     WAIT,    DONE,      FAIL)),
    ("tool_failed",        WAITING,               (RUN,     RUN,     DONE,      FAIL)),
    ("tool_failed",        TERMINAL,              (RUN,     WAIT,    DONE,      FAIL)),
    ("tool_failed",        NONE + OTHER,          (RUN,     WAIT,    DONE,      FAIL)),
    ("brand_new",          ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("Input",              ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
    ("",                   ANY,                   (RUN,     WAIT,    DONE,      FAIL)),
]  # fmt: skip

CELLS = [
    (event_type, tool, before, after)
    for event_type, tools, row in TABLE
    for tool in tools
    for before, after in zip(RunStatus, row, strict=True)
]


@pytest.mark.parametrize(("event_type", "tool", "before", "after"), CELLS)
def test_the_status_follows_the_table(event_type: str, tool: str | None, before: RunStatus, after: RunStatus) -> None:
    assert next_status(before, event_type, tool) is after


def test_the_table_has_a_row_for_every_type_of_the_contract() -> None:
    assert set(EVENT_CLASSES) <= {row[0] for row in TABLE}


def test_the_contract_has_four_statuses() -> None:
    assert [status.value for status in RunStatus] == ["running", "waiting", "completed", "failed"]
