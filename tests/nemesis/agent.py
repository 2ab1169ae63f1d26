"""An agent process: it emits until it is told to stop, writes down what it said, and tells its counts.

python -m tests.nemesis.agent LEDGER SEED RATE
"""

import json
import os
import signal
import sys
from pathlib import Path
from random import Random
from threading import Event, Thread

from agent_runs import Emitter

THREADS = 3
EVENTS_PER_RUN = 200
PREFIX = "agent-"  # of the ids of its runs
ALL_OF_IT_S = 120.0  # the broker is healed before an agent is told to stop


class Agent:
    """Threads that speak, each for its own runs."""

    def __init__(self, ledger: int, seed: str, rate: float) -> None:
        self._emitter = Emitter()
        self._ledger = ledger
        self._rate = rate / THREADS
        self._stop = Event()
        self._voices = [Thread(target=self._speak, args=(Random(f"{seed}:{n}"),)) for n in range(THREADS)]
        self._balances: set[int] = set()

    def run(self) -> None:
        """Until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
        for voice in self._voices:
            voice.start()
        while not self._stop.wait(0.01):
            stats = self._emitter.stats()
            self._balances.add(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
        for voice in self._voices:
            voice.join()
        left = self._emitter.close(ALL_OF_IT_S)
        stats = self._emitter.stats()
        counts = {name: getattr(stats, name) for name in stats.__struct_fields__}
        print(json.dumps({**counts, "left": left, "balances": sorted(self._balances)}))

    def _speak(self, rng: Random) -> None:
        while not self._stop.is_set():
            run = self._emitter.run(f"{PREFIX}{os.getpid()}-{rng.randbytes(6).hex()}")
            self._note(run.id, run.run_started(agent_id="nemesis"))
            for _ in range(EVENTS_PER_RUN):
                size = rng.choice((20, 200, 200, 2000))
                self._note(run.id, run.tool_succeeded("work", {"text": rng.randbytes(size // 2).hex()}))
                if self._stop.wait(rng.expovariate(self._rate)):
                    break
            self._note(run.id, run.run_completed())

    def _note(self, run_id: str, event_id: str) -> None:
        os.write(self._ledger, f"said {run_id} {event_id}\n".encode())


if __name__ == "__main__":
    with Path(sys.argv[1]).open("ab", buffering=0) as file:
        Agent(file.fileno(), sys.argv[2], float(sys.argv[3])).run()
