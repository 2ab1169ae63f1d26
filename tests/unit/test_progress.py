"""Progress without a terminal: log lines at intervals, and how to continue after an error."""

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from consumer.cli.progress import show_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the progress sees; `now_s` sets it."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr("consumer.cli.progress.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def test_a_line_every_ten_seconds_has_the_rate_the_remaining_time_and_the_last_run(clock: SimpleNamespace) -> None:
    with capture_logs() as lines, show_progress("verify", 1000) as show:
        for seconds, up_to in ((4.0, "run-a"), (10.0, None), (12.0, None), (20.0, "run-b")):
            clock.now_s = seconds
            show(100, up_to)
    assert [(line["events_per_s"], line["remaining_s"], line["run"]) for line in lines] == [
        (20, 40, "run-a"),
        (20, 30, "run-b"),
    ]


def test_an_error_is_followed_by_the_run_to_continue_from() -> None:
    def fail() -> None:
        with show_progress("verify", 10) as show:
            show(1, "run-a")
            show(1, None)
            raise ValueError("broken")

    with capture_logs() as lines, pytest.raises(ValueError, match="broken"):
        fail()
    assert [(line["action"], line["run"], "--from" in line["event"]) for line in lines] == [("verify", "run-a", True)]
