"""How long one call takes the agent: in one thread, and in eight that emit 500 events a second each.

python -m tests.bench.emitter.calls CALLER THREADS BOOTSTRAP_SERVERS
"""

import json
import logging
import sys
from threading import Barrier, Thread
from time import perf_counter, sleep
from typing import Final

from tests.bench.emitter.callers import CALLERS, Call

_WARM_UP: Final = 1000
_CALLS: Final = 20_000  # in one thread, with a pause after every hundred
_EACH_PER_S: Final = 500
_EACH: Final = 2_500  # five seconds of it


def main(caller: str, threads: int, bootstrap_servers: str) -> None:
    """Print the quantiles in microseconds, as JSON."""
    logging.disable(logging.CRITICAL)
    with CALLERS[caller](bootstrap_servers) as call:
        for _ in range(_WARM_UP):
            call()
        sleep(1)  # connections are made, the first batches are away
        times = _alone(call) if threads == 1 else _together(call, threads)
    times.sort()
    quantiles = {"median": 0.5, "p99": 0.99, "p99.9": 0.999}
    print(json.dumps({name: times[int(len(times) * part)] * 1e6 for name, part in quantiles.items()}))


def _alone(call: Call) -> list[float]:
    times = []
    for number in range(_CALLS):
        times.append(_time(call))
        if number % 100 == 0:
            sleep(0.002)
    return times


def _together(call: Call, threads: int) -> list[float]:
    times: list[float] = []
    start = Barrier(threads)

    def work() -> None:
        own = []
        start.wait()
        due = perf_counter()
        for _ in range(_EACH):
            due += 1 / _EACH_PER_S
            sleep(max(0.0, due - perf_counter()))
            own.append(_time(call))
        times.extend(own)

    workers = [Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return times


def _time(call: Call) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
