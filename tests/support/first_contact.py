"""Runs commands and emitters with wrong settings in this process, and collects what they print."""

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

import structlog

from agent_runs import Emitter
from consumer.cli.main import main
from consumer.runtime import retrying
from tests.support.servers.secured_kafka import KEY_PASSPHRASE
from tests.support.waiting import DEADLINE_S

REFUSED_FOR_S = 0.2
USAGE = 2  # exit code
WRONG_PASSWORD = "wr0ng-S3cret"
SECRETS = (WRONG_PASSWORD, KEY_PASSPHRASE)


class Outcome(NamedTuple):
    """What a command has printed, and its exit code. Of an emitter, what it has logged, and whether an event is lost.

    Attributes:
        code: of an emitter, 0.
    """

    code: int
    output: str


def run_command(arguments: str, environ: Mapping[str, str], *, shortest_attempt_s: float = DEADLINE_S) -> Outcome:
    """Run a command of the service in this process.

    Args:
        arguments: separated by spaces.
        environ: the whole environment of the command.
        shortest_attempt_s: how long the last attempt may take at least. A machine under load answers late.
    """
    output = io.StringIO()
    patient = patch.object(retrying, "_SHORTEST_ATTEMPT_S", shortest_attempt_s)
    with patient, _environment(environ), redirect_stdout(output), redirect_stderr(output), _logging_restored():
        sys.argv = ["consumer", *arguments.split()]
        try:
            main()
        except SystemExit as end:
            return Outcome(int(end.code or 0), output.getvalue())
    return Outcome(0, output.getvalue())


def run_emitter(environ: Mapping[str, str], until: str) -> Outcome:
    """Emit an event, and wait until it is acknowledged or this text is logged."""
    lines = _Lines()
    logging.getLogger("agent_runs").addHandler(lines)
    try:
        emitter = Emitter(environ=environ)
        emitter.start_run(agent_id="a")
        ends_at = time.monotonic() + DEADLINE_S
        while emitter.stats().pending and until not in lines.text and time.monotonic() < ends_at:
            emitter.flush(0.05)
        emitter.close(0)
        return Outcome(0, lines.text)
    finally:
        logging.getLogger("agent_runs").removeHandler(lines)


class Mistake(NamedTuple):
    """A wrong environment, and what programs say about it.

    Attributes:
        what: names the case.
        environ: of the command and of the emitter.
        texts: in the output of both.
        code: the command's exit code.
    """

    what: str
    environ: Mapping[str, str]
    texts: Sequence[str]
    code: int = USAGE


def _problems(outcome: Outcome, mistake: Mistake) -> Iterator[str]:
    """Return what is wrong with the output of a program."""
    shown = f"{mistake.what}: exit code {outcome.code}: {outcome.output}"
    if outcome.code != mistake.code:
        yield f"not the exit code {mistake.code}: {shown}"
    yield from (f"no {text!r}: {shown}" for text in mistake.texts if text not in outcome.output)
    yield from (f"a secret: {shown}" for secret in SECRETS if secret in outcome.output)
    if "Traceback" in outcome.output:
        yield f"a traceback: {shown}"
    if outcome.output.count("error: ") > 1:
        yield f"more than one sentence: {shown}"


def walk(mistakes: Sequence[Mistake], run: Callable[[Mistake], Outcome]) -> None:
    """Require what each mistake says of the outcome of a program that has made it."""
    problems = [problem for mistake in mistakes for problem in _problems(run(mistake), mistake)]
    assert problems == [], "\n\n".join(problems)


class _Lines(logging.Handler):
    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.levelname} {record.getMessage()}\n"


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    with patch.dict(os.environ, environ, clear=True), patch.object(sys, "argv", sys.argv):
        yield


@contextmanager
def _logging_restored() -> Iterator[None]:
    """Undo what a command configures for its process."""
    client = logging.getLogger("aiokafka")
    before = client.level, client.propagate, list(client.handlers)
    formatter = logging.lastResort.formatter if logging.lastResort else None
    try:
        yield
    finally:
        client.level, client.propagate, client.handlers = before
        client.manager._clear_cache()  # type: ignore[attr-defined]
        if logging.lastResort:
            logging.lastResort.formatter = formatter
        structlog.reset_defaults()
