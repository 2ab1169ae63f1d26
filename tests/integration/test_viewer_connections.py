"""Attacks on the connections of the viewer, with real sockets."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.support.messages import event
from tests.support.stored_runs import insert_run
from tests.support.viewer_process import TIMEOUT_S, get, running_viewer
from tests.support.waiting import until
from viewer.connections import Connection
from viewer.server import listen

POST = b"POST /api/runs/run/answers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Each has a second request in its body, or in what one of two parsers may take for its body.
SMUGGLED = {
    "a body of GET": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(HIDDEN), HIDDEN),
    "a chunked body of GET": b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + HIDDEN,
    "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\n" + HIDDEN,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a long length": POST + b"Content-Length: 1" + b"0" * 5000 + b"\r\n\r\n" + HIDDEN,
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.org\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n" + HIDDEN,
    "a refused POST": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(HIDDEN), HIDDEN),
    "headers of 20 kB": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a target with bytes": b"GET /\xff?\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another server": b"GET http://evil.org/ HTTP/1.0\r\n\r\n",
}


async def talk(port: int, request: bytes, *, ends: bool = False) -> bytes:
    """Send bytes, and perhaps the end of them, and return everything that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if ends:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), TIMEOUT_S)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_cannot_hide_another_one_and_nothing_ends_the_viewer(database: str, tmp_path: Path) -> None:
    await insert_run(database, "run", 1, [event("a")])
    async with running_viewer(database, tmp_path) as port:
        for name, request in SMUGGLED.items():
            answers = re.findall(rb"HTTP/1.1 (\d+)", await talk(port, request))
            assert (name, len(answers), set(answers) & {b"200", b"202", b"500"}) == (name, 1, set())
        # Pipelined requests are two requests, and a websocket is none.
        asked = HIDDEN + HIDDEN.replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n")
        assert re.findall(rb"HTTP/1.1 (\d+)", await talk(port, asked)) == [b"200", b"200"]
        # A client that leaves in the middle of its body is no error of the viewer, which would be logged.
        assert await talk(port, POST + b"Content-Length: 9\r\n\r\n{", ends=True) == b""
        # Ranges are answered with the file, or with a small part of it.
        ranges = await get(port, "/static/viewer.css", Range="bytes=" + ",".join(f"{at}-" for at in range(1000)))
        assert len(ranges.body) < 100_000
        assert (await get(port, "/static/viewer.css", Range="bytes=9-1")).status in (200, 400, 416)
        for path in ("/static/", "/static//etc/passwd", "/static/%00", "/static/a" * 400):
            assert ((await get(port, path)).status, path) == (404, path)


async def test_a_client_that_sends_no_request_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer.connections.REQUEST_S", 0.3)

    async def slow_answer(scope: object, receive: object, send: "uvicorn._types.ASGISendCallable") -> None:
        await asyncio.sleep(0.6)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(slow_answer) as server:
        port = port_of(server)
        # A connection without a request, and one without the end of its headers, are closed;
        assert [await talk(port, sent) for sent in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")] == [b"", b""]
        # also the second request of a connection; but not one whose answer takes longer.
        answered = await talk(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n")
        assert answered.startswith(b"HTTP/1.1 204")


async def test_clients_that_do_not_read_are_disconnected_and_the_memory_for_them_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def large_answer(scope: object, receive: object, send: "uvicorn._types.ASGISendCallable") -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(LARGE)})

    async with serving(large_answer) as server:
        monkeypatch.setattr("viewer.connections.MAX_WAITING", 2 * LARGE)
        # Given four clients that read nothing, of whose answers two are as much as may wait,
        clients = [ask(port_of(server)) for _ in range(4)]
        await until(lambda: len(server.server_state.connections) == 2, "the first two are disconnected")
        # one that reads gets its answer.
        assert len(await talk(port_of(server), ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) > LARGE
        for client in clients:
            client.close()
        await until(lambda: not server.server_state.connections, "the others have gone")
        # A single one is disconnected after a while, too.
        monkeypatch.setattr("viewer.connections.READ_S", 0.1)
        answered = server.server_state.total_requests
        with ask(port_of(server)):
            await until(lambda: server.server_state.total_requests > answered, "it has an answer that it does not read")
            await until(lambda: not server.server_state.connections, "its connection has ended")
    assert "The client 127.0.0.1 was disconnected" in caplog.text


ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 4 * 1024 * 1024


def ask(port: int) -> socket.socket:
    """Send a request over a connection whose answer is not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(ASK)
    return client


def port_of(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[uvicorn.Server]:
    """Serve an application with the viewer's connections."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listen("127.0.0.1", 0)]))
    try:
        await until(lambda: server.started, "the server has started")
        yield server
    finally:
        server.should_exit = True
        await task
