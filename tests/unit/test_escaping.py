"""Untrusted text is escaped for a terminal and for a log line."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.escaping import escape_line, escape_lines
from consumer.settings import ServiceConfig
from consumer.telemetry.log_setup import set_up_logging

HOSTILE = [
    ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),  # sets the window title
    ("\x1b[2J\x1b[31m", r"\x1b[2J\x1b[31m"),  # clears the screen
    ("\x9b31m\x85", r"\x9b31m\x85"),  # the same as one C1 control character, and a C1 newline
    ("a\nb\r\tc\x0b\x0c", r"a\nb\r\tc\x0b\x0c"),
    ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),  # change the reading direction
    ("\u2028\u200b\ufeff\ue000", r"\u2028\u200b\ufeff\ue000"),
    ("\ud800", r"\ud800"),  # cannot be encoded, so printing it raises
    ("\U000e0041", r"\U000e0041"),  # an invisible letter
    ("\u3164\u2800\uffa0", r"\u3164\u2800\uffa0"),  # blank letters, which Python calls printable
    ("\U000e0148\ufe01", r"\U000e0148\ufe01"),  # selectors of variants, which can carry a hidden text
]
ALL_HOSTILE = "".join(text for text, _ in HOSTILE)


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_characters_that_a_terminal_interprets_are_escaped(text: str, shown: str) -> None:
    assert escape_line(text) == shown


def test_printable_text_is_unchanged() -> None:
    text = "Zoë's run: naïve «quotes» 'a' \"b\" \\n [bold] 日本語 🙂 ❤\ufe0f"

    assert escape_line(text) is text


def test_lines_of_a_traceback_are_indented() -> None:
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
@pytest.mark.parametrize("text", [ALL_HOSTILE, f"with a space {ALL_HOSTILE}"])
def test_a_log_line_is_one_printable_line(log_format: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(ServiceConfig(log_format=log_format))  # type: ignore[arg-type]
    structlog.get_logger().warning("A record was refused", action="dead_letter", detail=text, partitions=[text])

    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert line.isprintable()


@pytest.mark.usefixtures("_logging")
def test_an_unhandled_error_is_logged_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(ServiceConfig())
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "Task exception was never retrieved", None, None)
    error = ValueError(f"{ALL_HOSTILE}\nforged line")
    record.exc_info = type(error), error, None
    _last_resort().handle(record)

    first, *others = capsys.readouterr().err.split("\n")[:-1]
    assert first == "Task exception was never retrieved"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.usefixtures("_logging")
def test_a_connection_that_is_cancelled_while_it_asks_for_tls_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_up_logging(ServiceConfig())

    errors = [ConnectionError(text) for text in ("unexpected connection_lost() call", "another one")]
    for error in errors:
        logging.getLogger("asyncio").error("Future exception was never retrieved", exc_info=error)

    # The garbage collector may let asyncio log errors of earlier tests.
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [error in logged for error in errors] == [False, True]


@pytest.mark.usefixtures("own_logs")
def test_a_warning_of_the_emitter_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    RateLimitedLog().warn("test", "Dropped an event: %s (%d so far)", ALL_HOSTILE, 3)

    assert caplog.messages == [f"Dropped an event: {escape_line(ALL_HOSTILE)} (3 so far)"]


@pytest.mark.usefixtures("own_logs")
def test_a_traceback_of_the_emitter_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError(f"{ALL_HOSTILE}\nforged line %s")
    caplog.handler.setFormatter(None)
    RateLimitedLog().warn("test", "The delivery failed %d times", 3, error=error)

    first, *others = caplog.handler.format(caplog.records[0]).split("\n")
    assert first == "The delivery failed 3 times"
    assert others[-1] == "    forged line %s"
    assert all(line.startswith("    ") and line.isprintable() for line in others)
