"""Opens the database, or the run file of the option `--file`, for a command."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from agent_runs.reader import Reader, RunSource, RunSummary
from agent_runs.run_file import RunFile, RunNotFound

_T = TypeVar("_T")


def read(work: Callable[[RunSource], Awaitable[_T]]) -> _T:
    """Run a command's work with the runs of the database or of `--file`, and return its result."""
    file: Path | None = click.get_current_context().find_root().obj

    async def with_source() -> _T:
        source = Reader() if file is None else RunFile(file)
        try:
            return await work(source)
        finally:
            await source.close()

    return asyncio.run(with_source())


def read_database(work: Callable[[Reader], Awaitable[_T]]) -> _T:
    """Run a command's work with the database, and return its result.

    Raises:
        click.UsageError: the option `--file` is given.
    """
    if click.get_current_context().find_root().obj is not None:
        raise click.UsageError("this command needs the database: leave out --file")

    async def with_reader() -> _T:
        async with Reader() as reader:
            return await work(reader)

    return asyncio.run(with_reader())


async def summary_of(source: RunSource, run_id: str) -> RunSummary:
    """Return a run without its events.

    Raises:
        RunNotFound: it does not exist.
    """
    run = await source.get_summary(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run
