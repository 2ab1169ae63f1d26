"""The tables of `agent-runs` on a terminal."""

import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from agent_runs import decode_event
from agent_runs.cli import output, timeline
from agent_runs.events import Event
from agent_runs.reader import StoredEvent
from agent_runs.status import RunStatus
from tests.support.messages import event


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that were printed, without colours and trailing blanks."""
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_long_id_and_a_long_agent_leave_room_for_the_last_column(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a terminal of some columns,
    monkeypatch.setattr(output, "console", lambda: Console(force_terminal=True, width=columns))
    monkeypatch.setenv("COLUMNS", str(columns))
    # when a table with long texts in all columns is printed,
    rows = [("x" * 200, "running", "a" * 90, "4m", "the reason why it failed"), ("id", "failed", "b", "1h", "short")]
    output.print_table(("RUN", "STATUS", "AGENT", "AGE", "NOTE"), rows)
    # then no line is wider than the terminal, and the note is still readable.
    lines = printed(capsys)
    assert max(map(len, lines)) <= columns
    assert any(line.endswith(" failed") for line in lines)
    assert len(lines) < 15


@pytest.mark.parametrize("columns", [20, 40])
def test_a_narrow_terminal_shows_each_cell_in_few_lines(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "console", lambda: Console(force_terminal=True, width=columns))
    rows = [("booking-7", "completed", "a" * 90, "4m", ""), ("r", "failed", "b", "1h", "the reason")]
    output.print_table(("RUN", "STATUS", "AGENT", "AGE", "NOTE"), rows)
    lines = printed(capsys)
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert all(cell in text for cell in ("RUN", "AGE", "NOTE", "booking-7", "completed", "aaaa…", "4m", "the reason"))
    assert "" not in lines
    assert len(lines) <= 12


def test_a_narrow_terminal_shows_what_an_event_says_on_its_own_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(force_terminal=True, width=40)
    monkeypatch.setattr(timeline, "console", lambda: console)
    monkeypatch.setattr(timeline, "width", lambda: 40)
    decoded = decode_event(event("a", "run_failed", error="the airline did not answer in time, " * 3))
    assert isinstance(decoded, Event)
    stored = StoredEvent(seq=0, created_at=datetime.now(UTC), partition=0, offset=0, event=decoded)
    timeline.Timeline(0).print(stored, RunStatus.FAILED, 3)
    first, second = printed(capsys)
    assert first == "  0          run_failed        failed"
    assert second == "    call 3: the airline did not answer …"
