"""A pipeline for each test of the service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.support.pipeline import Pipeline
from tests.support.servers import MakeDatabase, MakeTopic, Servers, TemplateDatabase

MakePipeline = Callable[..., Awaitable[Pipeline]]


@pytest.fixture
async def pipeline(servers: Servers, topic: str, database: str) -> Pipeline:
    """A topic of one partition, and an empty database."""
    return Pipeline(servers, topic, database)


@pytest.fixture
def make_pipeline(servers: Servers, make_topic: MakeTopic, make_database: MakeDatabase) -> MakePipeline:
    """A factory of pipelines whose topics are given partitions or configs."""

    async def make(partitions: int = 1, **configs: str) -> Pipeline:
        topic = await make_topic(partitions, {name.replace("_", "."): value for name, value in configs.items()})
        return Pipeline(servers, topic, await make_database())

    return make


@pytest.fixture
async def empty_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of a database that was never migrated."""
    async with _created(template_database, "") as url:
        yield url


@pytest.fixture
async def latin_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The same in an encoding that we refuse."""
    async with _created(template_database, "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        yield url


@asynccontextmanager
async def _created(template: TemplateDatabase, options: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await template.execute(f"CREATE DATABASE {name} {options}")
    yield template.url_of(name)
    await template.drop(name)
