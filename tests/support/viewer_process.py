"""A viewer process, and requests to it."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.support.consumer_process import ConsumerProcess

TIMEOUT_S = 60


class Answer(NamedTuple):
    """A response. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ServerSentEvent(NamedTuple):
    """An event of a stream; its data is JSON."""

    name: str
    id: str | None
    data: Any


async def get(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """Send a request; in the names of headers, `_` stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await asyncio.to_thread(_request, port, path, method, body, named)


def _request(port: int, path: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): text for name, text in response.getheaders()}
        return Answer(response.status, found, response.read())


async def stream(port: int, path: str, **headers: str) -> AsyncGenerator[ServerSentEvent, None]:
    """Iterate over the events of a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        named = [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *named, "", ""]).encode())
        status = await reader.readuntil(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 200"), status
        fields: dict[str, str] = {}
        while line := await asyncio.wait_for(reader.readline(), TIMEOUT_S):
            name, separator, text = line.decode().rstrip("\r\n").partition(": ")
            if separator:  # else a chunk's length, or the end of an event
                fields[name] = text
            elif not name and "event" in fields:
                yield ServerSentEvent(fields["event"], fields.get("id"), json.loads(fields["data"]))
                fields = {}
    finally:
        writer.close()


@asynccontextmanager
async def running_viewer(database: str, directory: Path, **settings: str) -> AsyncIterator[int]:
    """Start `python -m viewer`, yield its port, and stop it with SIGTERM; it must not log an unhandled error."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_RUNS_")}
    environ = {**inherited, "DATABASE_URL": database, "AGENT_RUNS_VIEWER_PORT": "0", **settings}
    process = ConsumerProcess("viewer", (), environ, directory / f"viewer-{uuid4().hex}.log")
    try:
        await process.wait_for_output("The viewer is at ")
        yield int(process.output.partition("The viewer is at ")[2].split("/\n")[0].rpartition(":")[2])
        await process.terminate()
        assert not process.has_unhandled_errors, process.output
    finally:
        process.kill()


async def next_data(messages: AsyncIterator[bytes], name: str) -> Any:
    """Return the data of the next message of this name in a stream that the viewer's code has made.

    What was sent together with it is passed over.
    """
    async with asyncio.timeout(30):
        async for sent in messages:
            for message in sent.decode().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in message.splitlines())
                if fields.get("event") == name:
                    return json.loads(fields["data"])
    raise AssertionError("the stream has ended")
