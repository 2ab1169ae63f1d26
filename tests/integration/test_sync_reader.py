"""The reader for synchronous code."""

import asyncio

import pytest

from agent_runs.reader import Reader, ReaderError, RunFilter, RunSource, SyncReader, SyncRunSource
from tests.support.messages import event
from tests.support.stored_runs import insert_run


def public_methods(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def test_it_has_every_method_of_the_asynchronous_readers() -> None:
    assert public_methods(RunSource) <= public_methods(SyncRunSource)
    assert public_methods(Reader) <= public_methods(SyncReader)


async def test_its_methods_block_and_its_streams_are_iterators_also_beside_a_running_loop(database: str) -> None:
    await insert_run(database, "run", 0, [event(f"e{number}") for number in range(3)], agent="a")

    def read() -> None:
        with SyncReader(database) as reader:
            run = reader.get_run("run")
            assert run is not None
            assert list(reader.get_run_events("run")) == run.events
            assert next(reader.get_run_events("run", after=1)).id == "e2"
            assert [each.id for each in reader.list_runs(RunFilter(agent="a")).runs] == ["run"]
        with pytest.raises(ReaderError, match="closed"):
            reader.get_summary("run")

    read()  # in the thread of the test's loop
    await asyncio.to_thread(read)
