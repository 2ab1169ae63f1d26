"""The tables of `agent-runs` on a terminal."""

import pytest
from rich.console import Console

from agent_runs.cli import output


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
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.rstrip().endswith(" failed") for line in lines)
    assert len(lines) < 15
