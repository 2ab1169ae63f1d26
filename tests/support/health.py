"""A consumer's probes and metrics over HTTP: once, or until they have an expected value."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tests.support.waiting import DEADLINE_S, until


async def health(port: int, path: str = "/healthz") -> tuple[int, str]:
    """Status and body of `GET /healthz`, or of another path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    if not head:
        raise ConnectionResetError("the process ended before it answered")
    return int(head.split()[1]), body


async def wait_until_healthy(port: int) -> None:
    """Wait for status 200."""
    await _wait_for(port, 200, "ok", DEADLINE_S)


async def metrics(port: int) -> dict[str, float]:
    """Return the samples of `GET /metrics` by name and labels, as in `agent_runs_lag_records{partition="0"}`."""
    _, body = await health(port, "/metrics")
    samples = (line.rpartition(" ") for line in body.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


async def wait_for_metrics(
    port: int, what: str, condition: Callable[[dict[str, float]], bool], deadline_s: float = DEADLINE_S
) -> dict[str, float]:
    """Wait until the samples fulfil the condition, and return them."""
    samples: dict[str, float] = {}

    async def fulfilled() -> bool:
        samples.clear()
        with suppress(OSError):  # the consumer is still starting
            samples.update(await metrics(port))
        return bool(samples) and condition(samples)

    await until(fulfilled, f"/metrics shows {what}", deadline_s)
    return samples


async def wait_for_probe(port: int, path: str, status: int, text: str = "", deadline_s: float = DEADLINE_S) -> None:
    """Wait until a path answers with this status, and with this text in its body."""
    await _wait_for(port, status, text, deadline_s, path)


async def wait_until_unhealthy(port: int, problem: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for status 503 with this problem in the body."""
    await _wait_for(port, 503, problem, deadline_s)


async def _wait_for(port: int, status: int, text: str, deadline_s: float, path: str = "/healthz") -> None:
    async def answered() -> bool:
        try:
            answer = await health(port, path)
        except OSError:
            return False  # the consumer is still starting
        return answer[0] == status and text in answer[1]

    await until(answered, f"{path} answers {status} with {text!r}", deadline_s)
