"""A consumer's health, as an orchestrator asks for it, waited for."""

from tests.support.health import health
from tests.support.waiting import DEADLINE_S, until


async def is_healthy(port: int) -> None:
    """Wait until the consumer behind this port says that all is well."""
    await _says(port, 200, "ok", DEADLINE_S)


async def is_unhealthy(port: int, why: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until it says that this is wrong."""
    await _says(port, 503, why, deadline_s)


async def _says(port: int, status: int, text: str, deadline_s: float) -> None:
    async def said() -> bool:
        try:
            answer = await health(port)
        except OSError:
            return False  # it is starting
        return answer[0] == status and text in answer[1]

    await until(said, f"the health is {status}, {text!r}", deadline_s)
