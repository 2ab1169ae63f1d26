"""Runs the command line `agent-runs` in this process, which is faster than starting another one."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from typing import NamedTuple
from unittest.mock import patch

from agent_runs.cli.main import main


class Ran(NamedTuple):
    """What a command did."""

    exit_code: int
    output: str
    errors: str


async def agent_runs(environ: Mapping[str, str], *arguments: str, stdin: bytes = b"") -> Ran:
    """Run `agent-runs ARGUMENTS` with these environment variables; its output is not a terminal."""
    return await asyncio.to_thread(_run, environ, arguments, stdin)


def _run(environ: Mapping[str, str], arguments: tuple[str, ...], stdin: bytes) -> Ran:
    output, errors = (TextIOWrapper(BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        patch.dict(os.environ, environ, clear=True),
        patch.object(sys, "argv", ["agent-runs", *arguments]),
        patch.object(sys, "stdin", TextIOWrapper(BytesIO(stdin))),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        try:
            main()
        except SystemExit as end:
            exit_code = end.code
    assert isinstance(exit_code, int)
    return Ran(exit_code, _text(output), _text(errors))


def _text(stream: TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, BytesIO)
    return stream.buffer.getvalue().decode()
