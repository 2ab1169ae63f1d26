"""Fixtures of `test_postgres_model_*`: every test runs on the model and on a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from tests.simulation.postgres.server import Server
from tests.simulation.postgres.store import ModelStore
from tests.support.servers import TemplateDatabase

TOPIC = "run-events"
LOCK_TIMEOUT_S = 0.4

Connect = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["model", "postgresql"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes connections to an empty database, with the partitions 0 and 1 at their beginning."""
    opened: list[Store] = []
    drop: Callable[[], Awaitable[None]] | None = None
    if request.param == "model":
        server = Server(Random(0), lock_timeout_s=LOCK_TIMEOUT_S)
        open_one: Connect = lambda: ModelStore.open(server, TOPIC)  # noqa: E731
    else:
        template: TemplateDatabase = request.getfixturevalue("template_database")  # the model waits for no server
        name = await template.clone()
        config = DatabaseConfig(url=template.url_of(name), lock_timeout_s=LOCK_TIMEOUT_S)
        open_one = lambda: Store.connect(config, TOPIC)  # noqa: E731
        drop = lambda: template.drop(name)  # noqa: E731

    async def make() -> Store:
        opened.append(await open_one())
        return opened[-1]

    await (await make()).fetch("begin_partitions", TOPIC, [0, 1], [0, 5])
    yield make
    for store in opened:
        store.terminate()
    if drop is not None:
        await drop()


@pytest.fixture
async def store(connect: Connect) -> Store:
    return await connect()


@pytest.fixture
async def other(connect: Connect) -> Store:
    return await connect()
