"""Fixtures for all tests: servers, topics, databases and scenes. The servers start for the first test that uses one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from secrets import randbits
from signal import SIG_IGN, SIGINT, default_int_handler, getsignal, signal
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TypeVar
from uuid import uuid4

import pytest

from deploy.local import LocalStack
from tests.support.process_state import changes, process_state
from tests.support.scene import MakeScene, Scene
from tests.support.servers import (
    LOG_APPEND_TIME,
    MakeDatabase,
    MakeTopic,
    OwnServers,
    Servers,
    TemplateDatabase,
    create_topic,
    delete_topics,
    open_servers,
)
from tests.support.servers.aot_cache import write_aot_cache

Result = TypeVar("Result")

LONG_FIRST = {"faults": 0, "acceptance": 1, "integration": 2, "browser": 3}


def pytest_configure(config: pytest.Config) -> None:
    """With `-n`, the controlling process opens the servers for all workers."""
    if getsignal(SIGINT) is SIG_IGN:  # as a shell starts programs in the background: the tests' processes inherit it
        signal(SIGINT, default_int_handler)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        opened = ExitStack()
        config.add_cleanup(opened.close)
        servers = opened.enter_context(open_servers(os.environ))
        caching = Thread(target=write_aot_cache)
        caching.start()
        opened.callback(caching.join)
        os.environ |= {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": servers.database_url}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the folders of LONG_FIRST first, so that at the end of a parallel run no process waits for a long test."""
    items.sort(key=lambda item: LONG_FIRST.get(item.path.parent.name, len(LONG_FIRST)))


@pytest.fixture(autouse=True)
def _unchanged_process() -> Iterator[None]:
    """Require that a test leaves the state of its process as it was: the next test depends on it."""
    before = process_state()
    yield
    assert changes(before) == []


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Kafka and PostgreSQL, shared by all tests of the session; tests/support/servers/open_servers.py chooses them."""
    with open_servers(os.environ) as opened:
        yield opened


@pytest.fixture
async def make_topic(servers: Servers) -> AsyncIterator[MakeTopic]:
    """A factory of topics with unique names, deleted after the test."""
    made: list[str] = []

    async def make(partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
        made.append(f"test-{uuid4().hex}")
        await create_topic(servers.bootstrap_servers, made[-1], partitions, {**LOG_APPEND_TIME, **(configs or {})})
        return made[-1]

    yield make
    await delete_topics(servers.bootstrap_servers, made)


@pytest.fixture
async def topic(make_topic: MakeTopic) -> str:
    """A topic of one partition."""
    return await make_topic()


@pytest.fixture(scope="session")
def template_database(servers: Servers) -> Iterator[TemplateDatabase]:
    """The database that the databases of all tests are cloned from."""
    template = _in_thread(lambda: TemplateDatabase.create(servers.database_url))
    yield template
    _in_thread(lambda: template.drop(template.name))


@pytest.fixture
async def make_database(template_database: TemplateDatabase) -> AsyncIterator[MakeDatabase]:
    """A factory of migrated, empty databases, dropped after the test; returns their URLs."""
    made: list[str] = []

    async def make() -> str:
        made.append(await template_database.clone())
        return template_database.url_of(made[-1])

    yield make
    for name in made:
        await template_database.drop(name)


@pytest.fixture
async def database(make_database: MakeDatabase) -> str:
    """The URL of a migrated, empty database, dropped after the test."""
    return await make_database()


@pytest.fixture
async def empty_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of a database that was never migrated."""
    async with template_database.unmigrated() as url:
        yield url


@pytest.fixture
async def make_scene(
    servers: Servers, make_topic: MakeTopic, make_database: MakeDatabase, tmp_path: Path
) -> AsyncIterator[MakeScene]:
    """A factory of scenes; their consumers are killed after the test."""
    made: list[Scene] = []

    async def make(partitions: int = 1, configs: Mapping[str, str] | None = None) -> Scene:
        made.append(Scene(servers, await make_topic(partitions, configs), await make_database(), tmp_path))
        return made[-1]

    yield make
    for scene in made:
        scene.stop_consumers()


@pytest.fixture
async def scene(servers: Servers, topic: str, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A topic of one partition, and an empty database."""
    scene = Scene(servers, topic, database, tmp_path)
    yield scene
    scene.stop_consumers()


@pytest.fixture
def seed() -> int:
    """A new random seed, printed when the test fails; `AGENT_RUNS_TEST_SEED` sets it."""
    number = int(os.environ.get("AGENT_RUNS_TEST_SEED") or randbits(32))
    print(f"AGENT_RUNS_TEST_SEED={number}")
    return number


@pytest.fixture
def rng(seed: int) -> Random:
    """Random numbers of the test's seed."""
    return Random(seed)


@pytest.fixture
def own_servers() -> Iterator[OwnServers]:
    """A factory of local stacks, stopped after the test."""
    with ExitStack() as opened:

        def start(durable: bool = False) -> LocalStack:
            directory = opened.enter_context(TemporaryDirectory(prefix="agent-runs-tests-"))
            return opened.enter_context(LocalStack(Path(directory), durable=durable))

        yield start


def _in_thread(work: Callable[[], Coroutine[object, object, Result]]) -> Result:
    """Run the coroutine of a session fixture in another thread: this thread's event loop belongs to the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
