"""What strangers wrote, as a terminal and a log get to see it."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.escaping import escape_line, escape_lines
from consumer.config import ServiceConfig
from consumer.telemetry.observer import set_up_logging

HOSTILE = [
    ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),  # names the window
    ("\x1b[2J\x1b[31m", r"\x1b[2J\x1b[31m"),  # clears the screen
    ("\x9b31m\x85", r"\x9b31m\x85"),  # the same in one character, and a newline that is none
    ("a\nb\r\tc\x0b\x0c", r"a\nb\r\tc\x0b\x0c"),
    ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),  # the reading direction
    ("\u2028\u200b\ufeff\ue000", r"\u2028\u200b\ufeff\ue000"),
    ("\ud800", r"\ud800"),  # would end the one who prints it
    ("\U000e0041", r"\U000e0041"),  # an invisible letter
]
IN_ONE = "".join(text for text, _ in HOSTILE)


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_what_a_terminal_would_act_on_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape_line(text) == shown


def test_what_simply_prints_stays_as_it_is() -> None:
    text = "Zoë's run: naïve «quotes» 'a' \"b\" \\n [bold] 日本語 🙂"

    assert escape_line(text) is text


def test_no_line_of_a_traceback_looks_like_a_line_of_the_log() -> None:
    text = "Traceback\n  File x\nError: a\x1b[1m\n2026-01-01T00:00:00Z [info] All is well\n"

    assert escape_lines(text).split("\n") == [
        "Traceback",
        "      File x",
        r"    Error: a\x1b[1m",
        "    2026-01-01T00:00:00Z [info] All is well",
    ]


@pytest.fixture
def _logging() -> Iterator[None]:
    level = logging.getLogger("aiokafka").level
    yield
    logging.getLogger("aiokafka").setLevel(level)
    _last_resort().setFormatter(None)
    structlog.reset_defaults()


def _last_resort() -> logging.Handler:
    assert logging.lastResort is not None
    return logging.lastResort


@pytest.mark.usefixtures("_logging")
@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("text", [IN_ONE, f"with a space {IN_ONE}"])
def test_a_line_of_the_log_is_one_line_and_prints(
    log_format: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(ServiceConfig(log_format=log_format))  # type: ignore[arg-type]
    structlog.get_logger().warning("A record was refused", action="dead_letter", detail=text, partitions=[text])

    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert line.isprintable()


@pytest.mark.usefixtures("_logging")
def test_an_error_that_nobody_saw_to_prints_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(ServiceConfig())
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "Task exception was never retrieved", None, None)
    error = ValueError(f"{IN_ONE}\nforged line")
    record.exc_info = type(error), error, None
    _last_resort().handle(record)

    first, *others = capsys.readouterr().err.split("\n")[:-1]
    assert first == "Task exception was never retrieved"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_a_warning_of_the_emitter_prints(caplog: pytest.LogCaptureFixture) -> None:
    RateLimitedLog().warn("test", "Dropped an event: %s (%d so far)", IN_ONE, 3)

    assert caplog.messages == [f"Dropped an event: {escape_line(IN_ONE)} (3 so far)"]
