"""Runs agent programs that emit to one topic, and reads what arrived."""

import asyncio
from pathlib import Path

from tests.checker import read_log
from tests.support.agent_process import Result, run_agent, start_agent
from tests.support.ledgers.emitted import Arrivals, in_log
from tests.support.servers import Servers


class Agents:
    """Runs agent programs that emit to one topic."""

    def __init__(self, servers: Servers, topic: str, directory: Path) -> None:
        self.bootstrap_servers = servers.bootstrap_servers
        self.topic = topic
        self.directory = directory

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program, with timeouts for a busy machine: most programs send events when they end."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "AGENT_RUNS_TOPIC": self.topic,
            "AGENT_RUNS_EXIT_TIMEOUT_S": "50",
            "AGENT_RUNS_REQUEST_TIMEOUT_S": "30",
        }

    async def run(self, *parts: str, **environment: str) -> Result:
        return await run_agent(parts, self.directory, **{**self.environment, **environment})

    async def run_after(self, first_lines: str, *parts: str) -> Result:
        """Run a program with lines that are executed before the import of the library."""
        async with start_agent(parts, self.directory, first_lines, **self.environment) as agent:
            return await agent.wait()

    async def arrivals(self) -> Arrivals:
        return in_log(await asyncio.to_thread(read_log, self.bootstrap_servers, self.topic))

    async def assert_all_arrived(self, result: Result, events: int) -> None:
        """Assert that every event is in the log once and in order, and that the program printed no error."""
        assert result.errors == ""
        assert result.ledger.size == events, result.output[-2000:]
        arrivals = await self.arrivals()
        assert result.ledger.differences(arrivals) == []
        assert (arrivals.repeats, arrivals.dropped_count) == (0, 0)
