"""Servers, topics and databases for all tests. Only those that ask for one wait for the servers."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import uuid4

import pytest

from deploy.local import LocalStack
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

Result = TypeVar("Result")


def pytest_configure(config: pytest.Config) -> None:
    """Processes that share the tests (`-n`) share the servers too, which the first one has open for all of them."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        opened = ExitStack()
        config.add_cleanup(opened.close)
        servers = opened.enter_context(open_servers(os.environ))
        os.environ |= {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": servers.database_url}


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Kafka and PostgreSQL, shared by all tests of the session. See tests/support/servers/choice.py for which ones."""
    with open_servers(os.environ) as opened:
        yield opened


@pytest.fixture
async def make_topic(servers: Servers) -> AsyncIterator[MakeTopic]:
    """A factory of topics with names of their own, deleted after the test."""
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
    """The database that all tests' databases are copies of."""
    template = _apart(lambda: TemplateDatabase.create(servers.database_url))
    yield template
    _apart(lambda: template.drop(template.name))


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
def own_servers() -> Iterator[OwnServers]:
    """A factory of local stacks, ended after the test."""
    with ExitStack() as opened:

        def start(durable: bool = False) -> LocalStack:
            directory = opened.enter_context(TemporaryDirectory(prefix="agent-runs-tests-"))
            return opened.enter_context(LocalStack(Path(directory), durable=durable))

        yield start


def _apart(work: Callable[[], Coroutine[object, object, Result]]) -> Result:
    """Run a session's coroutine in a thread of its own: the loop of this one belongs to the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
