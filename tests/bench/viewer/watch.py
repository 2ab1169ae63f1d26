"""`python -m tests.bench.viewer.watch PORT COUNT RUN…`: follows runs over COUNT connections until its input ends."""

import asyncio
import os
import sys
from urllib.parse import quote


class _Watcher(asyncio.Protocol):
    """A connection that reads and forgets: what a browser does with an event is not measured."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        path = f"/api/runs/{quote(self._run_id)}/events/stream?after=0"
        transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


async def _main(port: int, count: int, runs: list[str]) -> None:
    loop = asyncio.get_running_loop()
    for number in range(count):
        run_id = runs[number % len(runs)]
        await loop.create_connection(lambda run_id=run_id: _Watcher(run_id), "127.0.0.1", port)  # type: ignore[misc]
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    os.nice(10)  # browsers run elsewhere: they must not take processor time from the servers
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
