"""Measures how much longer a call takes with values that JSON does not have than with ordinary ones in their place.

python -m tests.bench.emitter.rare_values CASE
"""

import gc
import json
import logging
import math
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePosixPath
from time import thread_time
from typing import Any, Final

import numpy as np

from agent_runs import Emitter, Run
from tests.bench.emitter.targets import NO_BROKER, TOPIC

_ROUNDS: Final = 40
_CALLS: Final = 20  # of each kind in a round
_UNLIMITED: Final = 2**31
_ITEMS: Final = range(1000)


@dataclass
class Message:
    """A message of an LLM client, which often has fields that are None."""

    role: str
    content: str
    name: str | None = None


class Color(Enum):
    """An enumeration of texts."""

    RED = "red"


def arguments(*values: Any) -> dict[str, Any]:
    """Return the arguments of a tool: twelve ordinary ones, and these values."""
    ordinary = {
        "query": "trains to Rome",
        "text": "The night train leaves at ten. " * 5,
        "limit": 20,
        "score": 0.75,
        "page": 1,
        "more": False,
        "note": None,
        "filters": {"from": "2026-01-01", "to": "2026-02-01", "max_price": 120.5},
        "user": {"id": "u-1", "name": "Ada", "tags": ["a", "b"]},
        "ids": [1, 2, 3, 4, 5],
        "mode": "fast",
        "lang": "en",
    }
    return ordinary | {f"value_{number}": value for number, value in enumerate(values)}


# Of each case, the payload with rare values and the one without.
CASES: Final[dict[str, tuple[Any, Any]]] = {
    "12 arguments and a NaN": (arguments(math.nan), arguments(1.5)),
    "12 arguments and a set": (arguments({1, 2}), arguments([1, 2])),
    "12 arguments and an integer of 71 bits": (arguments(2**70), arguments(2**60)),
    "12 arguments and a dataclass with a None": (arguments(Message("u", "é")), arguments(Message("u", "é", "x"))),
    "12 arguments and 4 scalars of numpy": (
        arguments(np.int64(5), np.float32(1.5), np.float64(1.5), np.bool_(True)),
        arguments(5, 1.5, 1.5, True),
    ),
    "12 arguments and a lone surrogate": (arguments("caf\ud800"), arguments("café")),
    "12 arguments, a Fraction and a path": (
        arguments(Fraction(1, 3), PurePosixPath("/a/b")),
        arguments(1 / 3, "/a/b"),
    ),
    "1,000 decimals": ([Decimal(x) / 8 for x in _ITEMS], [x / 8 for x in _ITEMS]),
    "1,000 members of an enumeration": ([Color.RED] * 1000, ["red"] * 1000),
    "1,000 paths": ([PurePosixPath(f"/data/{x}") for x in _ITEMS], [f"/data/{x}" for x in _ITEMS]),
    "1,000 lone surrogates": ([f"caf\ud800 {x}" for x in _ITEMS], [f"café {x}" for x in _ITEMS]),
    "1,000 dictionaries with an enumeration, a decimal and a path": (
        [{"id": "x", "color": Color.RED, "price": Decimal(x) / 8, "file": PurePosixPath("/data")} for x in _ITEMS],
        [{"id": "x", "color": "red", "price": x / 8, "file": "/data"} for x in _ITEMS],
    ),
    "1,000 dictionaries with a lone surrogate": (
        [{"id": "x", "role": "user", "content": f"caf\ud800 {x}"} for x in _ITEMS],
        [{"id": "x", "role": "user", "content": f"café {x}"} for x in _ITEMS],
    ),
    "1,000 NaN": ([math.nan] * 1000, [x + 0.5 for x in _ITEMS]),
    "1,000 sets": ([{x, x + 1} for x in _ITEMS], [[x, x + 1] for x in _ITEMS]),
    "1,000 integers of 71 bits": ([2**70 + x for x in _ITEMS], [2**60 + x for x in _ITEMS]),
    "1,000 np.int64": ([np.int64(x) for x in _ITEMS], list(_ITEMS)),
    "1,000 np.float32": ([np.float32(x) for x in _ITEMS], [x + 0.5 for x in _ITEMS]),
    "1,000 dictionaries with 2 scalars of numpy": (
        [{"id": "x", "score": np.float64(x), "rank": np.int64(x), "title": "Rome"} for x in _ITEMS],
        [{"id": "x", "score": x + 0.5, "rank": x, "title": "Rome"} for x in _ITEMS],
    ),
}


def main(case: str) -> None:
    """Print the shortest CPU times with and without the rare values as JSON, in microseconds, and their ratio."""
    logging.disable(logging.CRITICAL)
    rare, ordinary = CASES[case]
    settings = {"queue_bytes": _UNLIMITED, "queue_events": _UNLIMITED, "exit_timeout_s": 0.0}
    emitter = Emitter(environ={}, bootstrap_servers=NO_BROKER, topic=TOPIC, **settings)  # type: ignore[arg-type]
    run = emitter.run("run")
    gc.disable()  # the queue keeps all events; their collection takes longer than a call
    durations = [(_time(run, rare), _time(run, ordinary)) for _ in range(_ROUNDS)]
    with_us, without_us = (min(column) * 1e6 for column in zip(*durations, strict=True))
    emitter.close(0)
    print(json.dumps({"with": with_us, "without": without_us, "ratio": with_us / without_us}))


def _time(run: Run, payload: Any) -> float:
    started = thread_time()
    for _ in range(_CALLS):
        run.tool_succeeded("search_trains", payload)
    return (thread_time() - started) / _CALLS


if __name__ == "__main__":
    main(sys.argv[1])
