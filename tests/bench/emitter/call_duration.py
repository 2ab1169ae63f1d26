"""Measures the duration of one call, in one thread or in several threads of 500 calls/s each.

python -m tests.bench.emitter.call_duration TARGET THREADS BOOTSTRAP_SERVERS
"""

import json
import logging
import sys
from threading import Barrier, Thread
from time import perf_counter, sleep
from typing import Final

from tests.bench.emitter.targets import TARGETS, Call

_WARM_UP: Final = 1000
_CALLS: Final = 20_000  # in one thread, with a pause after each hundred
_THREAD_EVENTS_PER_S: Final = 500
_THREAD_CALLS: Final = 2_500  # for five seconds


def main(target: str, threads: int, bootstrap_servers: str) -> None:
    """Print the median, p99 and p99.9 of the durations as JSON, in microseconds."""
    logging.disable(logging.CRITICAL)
    with TARGETS[target](bootstrap_servers) as call:
        for _ in range(_WARM_UP):
            call()
        sleep(1)  # until the connections exist and the first batches are sent
        durations_s = _time_one_thread(call) if threads == 1 else _time_threads(call, threads)
    durations_s.sort()
    quantiles = {"median": 0.5, "p99": 0.99, "p99.9": 0.999}
    print(json.dumps({name: durations_s[int(len(durations_s) * part)] * 1e6 for name, part in quantiles.items()}))


def _time_one_thread(call: Call) -> list[float]:
    durations_s = []
    for number in range(_CALLS):
        durations_s.append(_time(call))
        if number % 100 == 0:
            sleep(0.002)
    return durations_s


def _time_threads(call: Call, threads: int) -> list[float]:
    durations_s: list[float] = []
    start = Barrier(threads)

    def call_at_rate() -> None:
        thread_durations_s = []
        start.wait()
        due = perf_counter()
        for _ in range(_THREAD_CALLS):
            due += 1 / _THREAD_EVENTS_PER_S
            sleep(max(0.0, due - perf_counter()))
            thread_durations_s.append(_time(call))
        durations_s.extend(thread_durations_s)

    workers = [Thread(target=call_at_rate) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return durations_s


def _time(call: Call) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
