"""Measures how long the viewer takes to answer: from the request to the last byte, over one connection."""

import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from statistics import median
from typing import Final, NamedTuple

from tests.bench import report
from tests.bench.viewer.big_run import RUN

_ROUNDS: Final = 20
_API: Final = f"/api/runs/{RUN}"


class Answer(NamedTuple):
    """The duration of a request in milliseconds, and the size of its answer.

    On a machine that does something else too, the least of the durations is the nearest to that of a quiet one.
    """

    least_ms: float
    median_ms: float
    most_ms: float
    size_kb: float


def of_big_run(events: int) -> dict[str, str]:
    """The addresses that are measured on the big run, by what they are."""
    return {
        "page of the run": f"/runs/{RUN}",
        "200 lines, from the start": f"{_API}/events?limit=200",
        "200 lines, from the middle": f"{_API}/events?limit=200&after={events // 2}",
        "200 lines, at the end": f"{_API}/events?limit=200&after={events - 201}",
        "200 failures": f"{_API}/events?limit=200&type=tool_failed",
        "an event": f"{_API}/events/{events // 2}",
        "structure of 5,000 events": f"{_API}/structure?after={events // 2}",
        "a part of a search": f"{_API}/search?q=no+such+text&after={events // 2}",
        "page of prompt 5,000": f"/runs/{RUN}/calls/{min(5000, events // 5)}",
        "timeline of the run": f"/runs/{RUN}/timeline",
    }


OF_LISTS: Final = {
    "all runs": "/?",
    "failed": "/?status=failed",
    "waiting": "/?status=waiting",
    "completed": "/?status=completed",
    "agent": "/?agent=agent-3",
    "session": "/?session=session-large",
    "label": "/?label=team%3Dblue",
    "missing events": "/?has_dropped_events=1",
    "silent": "/?stale_for=1h",
}


def measure(port: int, addresses: Mapping[str, str]) -> dict[str, Answer]:
    """Return how long each address takes; the first request of each is not counted."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        return {name: _answer(connection, address) for name, address in addresses.items()}


def _answer(connection: HTTPConnection, address: str) -> Answer:
    durations = []
    size = 0
    for _ in range(_ROUNDS + 1):
        started = time.perf_counter()
        size = len(fetch(connection, address))
        durations.append((time.perf_counter() - started) * 1000)
    return Answer(min(durations[1:]), median(durations[1:]), max(durations[1:]), size / 1000)


def fetch(connection: HTTPConnection, address: str) -> bytes:
    """Return the body of an answer.

    Raises:
        RuntimeError: it is an error.
    """
    connection.request("GET", address)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{address}: {response.status} {body[:300]!r}")
    return body


def to_table(what: str, answers: Mapping[str, Answer]) -> str:
    """Format a row for each address."""
    rows = [(name, *(f"{number:.1f}" for number in answer)) for name, answer in answers.items()]
    return report.table((what, "shortest, ms", "median, ms", "longest, ms", "answer, kB"), rows)
