"""A consumer that runs beside the test, and what it says."""

import asyncio
import json
import signal
from typing import Any, Self

import psutil

from tests.support.servers.clients import until

DEADLINE_S = 30.0


class Running:
    """A process that logs JSON lines. Leaving the block kills it, if it has not ended by then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: list[str] = []
        self._ended = False
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    @property
    def output(self) -> str:
        """All that it has said."""
        return "\n".join(self._lines)

    async def says(self, action: str, times: int = 1) -> dict[str, Any]:
        """The first line of this `action`; waits until there are so many of them."""
        async with self._news:
            try:
                await asyncio.wait_for(
                    self._news.wait_for(lambda: len(self._of(action)) >= times or self._ended), DEADLINE_S
                )
            except TimeoutError:
                raise AssertionError(f"no {action!r} within {DEADLINE_S} s:\n{self.output}") from None
        assert self._of(action), f"it ended without saying {action!r}:\n{self.output}"
        return self._of(action)[0]

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end; returns the exit code."""
        self._process.send_signal(by)
        return await asyncio.wait_for(self._process.wait(), DEADLINE_S)

    async def freeze(self) -> None:
        """Stop it in the middle of whatever it does, as a machine does that is put to sleep."""
        self._process.send_signal(signal.SIGSTOP)
        process = psutil.Process(self._process.pid)

        async def frozen() -> bool:
            return process.status() == psutil.STATUS_STOPPED

        await until(frozen)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def _of(self, action: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._lines if line.startswith("{")]
        return [line for line in lines if line["action"] == action]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self._lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()
