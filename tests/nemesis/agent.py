"""An agent process: emits events until SIGTERM, writes each event's id to a ledger, and prints its counts at the end.

python -m tests.nemesis.agent LEDGER SEED RATE
"""

import json
import os
import signal
import sys
from pathlib import Path
from random import Random
from threading import Event, Thread
from time import sleep

from agent_runs import Emitter

THREADS = 3
EVENTS_PER_RUN = 200
PREFIX = "agent-"  # of the ids of its runs
CLOSE_TIMEOUT_S = 120.0  # enough: at the end of a round the broker is healed before agents are stopped


class Agent:
    """Threads that share an emitter; each emits the events of runs of its own."""

    def __init__(self, ledger: int, seed: str, rate: float) -> None:
        self._emitter = Emitter()
        self._ledger = ledger
        self._rate = rate / THREADS
        self._stop = Event()
        self._threads = [Thread(target=self._emit_runs, args=(Random(f"{seed}:{n}"),)) for n in range(THREADS)]
        self._balances: set[int] = set()

    def run(self) -> None:
        """Emit until SIGTERM; meanwhile collect the distinct values of emitted - sent - pending - dropped."""
        # The handler runs in this thread. If it set the event while this thread waits for it, it would wait for a lock
        # that this thread has.
        signals: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
        for thread in self._threads:
            thread.start()
        while not signals:
            sleep(0.01)
            stats = self._emitter.stats()
            self._balances.add(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
        self._stop.set()
        for thread in self._threads:
            thread.join()
        left = self._emitter.close(CLOSE_TIMEOUT_S)
        stats = self._emitter.stats()
        counts = {name: getattr(stats, name) for name in stats.__struct_fields__}
        print(json.dumps({**counts, "left": left, "balances": sorted(self._balances)}))

    def _emit_runs(self, rng: Random) -> None:
        while not self._stop.is_set():
            run = self._emitter.run(f"{PREFIX}{os.getpid()}-{rng.randbytes(6).hex()}")
            self._write(run.id, run.run_started(agent_id="nemesis"))
            for _ in range(EVENTS_PER_RUN):
                size = rng.choice((20, 200, 200, 2000))
                self._write(run.id, run.tool_succeeded("work", {"text": rng.randbytes(size // 2).hex()}))
                if self._stop.wait(rng.expovariate(self._rate)):
                    break
            self._write(run.id, run.run_completed())

    def _write(self, run_id: str, event_id: str) -> None:
        os.write(self._ledger, f"emitted {run_id} {event_id}\n".encode())


if __name__ == "__main__":
    with Path(sys.argv[1]).open("ab", buffering=0) as file:
        Agent(file.fileno(), sys.argv[2], float(sys.argv[3])).run()
