"""A consumer's `/healthz`, once or until it has an expected answer."""

import asyncio

from tests.support.waiting import DEADLINE_S, until


async def health(port: int) -> tuple[int, str]:
    """Status and body of `GET /healthz`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body


async def wait_until_healthy(port: int) -> None:
    """Wait for status 200."""
    await _wait_for(port, 200, "ok", DEADLINE_S)


async def wait_until_unhealthy(port: int, problem: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for status 503 with this problem in the body."""
    await _wait_for(port, 503, problem, deadline_s)


async def _wait_for(port: int, status: int, text: str, deadline_s: float) -> None:
    async def answered() -> bool:
        try:
            answer = await health(port)
        except OSError:
            return False  # the consumer is still starting
        return answer[0] == status and text in answer[1]

    await until(answered, f"/healthz answers {status} with {text!r}", deadline_s)
