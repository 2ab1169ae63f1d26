"""Generates events of several types from a seed, in the order in which many concurrent agents would publish them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pydoc_data.topics import topics
from random import Random
from typing import Any, Final, NamedTuple

from agent_runs import events, ids
from agent_runs.codec.encode import encode_event

ACTIVE_RUNS: Final = 1000
# The probability that the next event of a run is its last. Another run then takes its place.
_RUN_ENDS: Final = 1 / 40

# Half a megabyte of English that is part of every Python. The text must compress as real prose does, because PostgreSQL
# spends much of its time on compressing values of 4 kB (TOAST). Random words from a list compress differently, and a
# constant compresses to almost nothing.
_PROSE: Final = "\n".join(topics.values())
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ID: Final = b'"id":"'
_TOOLS: Final = ("search_web", "read_file", "run_sql", "send_email", "ask_human")


class Message(NamedTuple):
    """A message. The run id is its key."""

    run_id: str
    value: bytes


def messages(seed: int, count: int) -> list[Message]:
    """Return the standard workload: 1.2 kB on average, about one in six an `llm_called` of 4 kB.

    The same seed gives the same messages.
    """
    return list(islice(_Agents(Random(seed)).messages(), count))


def small_messages(seed: int, count: int) -> list[Message]:
    """Return `run_started`, `tool_requested` and `run_completed` messages of 350 bytes on average."""
    return list(islice(_TerseAgents(Random(seed)).messages(), count))


def long_prompts(seed: int, count: int, size_bytes: int = 50_000) -> list[Message]:
    """Return `llm_called` messages of about `size_bytes`, in a hundred runs."""
    agents = _Agents(Random(seed))
    runs = [agents.id() for _ in range(100)]
    return [Message(runs[number % 100], encode_event(agents.llm_called(size_bytes))) for number in range(count)]


def one_run(seed: int, count: int) -> list[Message]:
    """Return the standard workload in one run, without `run_started` and `run_completed`."""
    agents = _Agents(Random(seed))
    run_id = agents.id()
    return [Message(run_id, encode_event(agents.step())) for _ in range(count)]


def one_event_a_run(seed: int, count: int) -> list[Message]:
    """Return `tool_requested` messages of 360 bytes on average, each in a run of its own."""
    agents = _TerseAgents(Random(seed))
    return [Message(agents.id(), encode_event(agents.step())) for _ in range(count)]


def with_new_ids(base: Sequence[Message], seed: int) -> Iterator[Message]:
    """Yield the same messages with new run ids and event ids. About three times as fast as generating messages."""
    agents = _Agents(Random(seed))
    runs: dict[str, str] = {}
    for run_id, value in base:
        new_run = runs.get(run_id) or runs.setdefault(run_id, agents.id())
        at = value.rindex(_ID) + len(_ID)  # the last `"id"` is the event's; the payload before it may contain others
        yield Message(new_run, value[:at] + agents.id().encode() + value[at + ids.ID_LENGTH :])


class _Agents:
    """Generates the events of `ACTIVE_RUNS` concurrent runs. Each event belongs to a random active run."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._generated = 0

    def messages(self) -> Iterator[Message]:
        """Yield messages without end. Every run starts with `run_started`, and ends with `run_completed`."""
        active: list[str | None] = [None] * ACTIVE_RUNS
        while True:
            slot = self._random.randrange(ACTIVE_RUNS)
            run_id = active[slot]
            if run_id is None:
                run_id = active[slot] = self.id()
                yield Message(run_id, encode_event(self._run_started()))
            elif self._random.random() < _RUN_ENDS:
                active[slot] = None
                yield Message(run_id, encode_event(events.RunCompleted(**self._common(), result=self._prose(600))))
            else:
                yield Message(run_id, encode_event(self.step()))

    def step(self) -> events.RunEvent:
        kinds: list[Callable[[], events.RunEvent]] = [
            self.llm_called,
            self._context_assembled,
            self._tool_requested,
            self._tool_requested,
            self._tool_succeeded,
            self._tool_succeeded,
        ]
        return self._random.choice(kinds)()

    def _run_started(self) -> events.RunStarted:
        agent = f"agent-{self._random.randrange(20)}"
        return events.RunStarted(**self._common(), agent_id=agent, session_id=self.id())

    def llm_called(self, size_bytes: int = 4000) -> events.LlmCalled:
        return events.LlmCalled(
            **self._common(),
            model="a-large-one",
            system_prompt=self._prose(size_bytes * 35 // 100),
            user_prompt=self._prose(size_bytes * 40 // 100),
            raw_response=self._prose(size_bytes * 21 // 100),
        )

    def _context_assembled(self) -> events.ContextAssembled:
        context = {"step": self._random.randrange(50), "memory": [self._prose(300), self._prose(250)]}
        return events.ContextAssembled(**self._common(), context=context)

    def _tool_requested(self) -> events.ToolRequested:
        arguments = {"query": self._prose(150), "limit": self._random.randrange(100), "trace": self.id()}
        return events.ToolRequested(**self._common(), tool_name=self._tool(), tool_args=arguments)

    def _tool_succeeded(self) -> events.ToolSucceeded:
        rows = [{"id": self.id(), "score": self._random.random(), "text": self._prose(180)} for _ in range(3)]
        return events.ToolSucceeded(**self._common(), tool_name=self._tool(), result={"rows": rows})

    def _common(self) -> dict[str, Any]:
        self._generated += 1
        at = _START + timedelta(milliseconds=self._generated)
        return {"id": self.id(), "parent_event_id": self.id(), "timestamp": at}

    def _tool(self) -> str:
        return self._random.choice(_TOOLS)

    def id(self) -> str:
        return "".join(self._random.choices(ids.ALPHABET, k=ids.ID_LENGTH))

    def _prose(self, length: int) -> str:
        start = self._random.randrange(len(_PROSE) - length)
        return _PROSE[start : start + length]


class _TerseAgents(_Agents):
    """Generates only `run_started`, `tool_requested` and `run_completed`, with texts of at most 150 characters."""

    def step(self) -> events.RunEvent:
        return self._tool_requested()

    def _run_started(self) -> events.RunStarted:
        return events.RunStarted(**self._common(), agent_id="agent", session_id=self.id())

    def _prose(self, length: int) -> str:
        return super()._prose(min(length, 150))
