"""`python -m tests.bench.recording`, a part of `make bench`: how fast a `Recording` is loaded and answers calls."""

from gc import collect
from statistics import median
from time import process_time
from typing import Any, Final

import click

from agent_runs import RunEvent
from agent_runs.replay import Recording
from agent_runs.testing import RecordingEmitter
from tests.bench import report

_ROUNDS: Final = 5
_PROMPT: Final = "It was found that the night train leaves at ten past nine. " * 10


def run_of(events: int) -> list[Any]:
    """Return the decoded events of a run: each turn is a model call with a prompt of 0.6 kB, and a tool call."""
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    for number in range(events // 3):
        run.llm_called(model="m", system_prompt="You book.", user_prompt=f"{number} {_PROMPT}", raw_response="search")
        with run.tool("search", {"query": "night train", "page": number}) as call:
            call.result = {"rows": [{"id": number, "price": 69.5}], "more": False}
    return emitter.events(run.id)


def measure(events: list[RunEvent]) -> dict[str, float]:
    """Return the seconds that a recording takes to load, and the calls that it answers in a second."""
    collect()
    started = process_time()
    recording = Recording(events, strict=True)
    loaded = process_time()
    calls = len(events) // 3
    for number in range(calls):
        recording.llm(model="m", system_prompt="You book.", user_prompt=f"{number} {_PROMPT}")
        recording.tool("search", {"query": "night train", "page": number})
    served = process_time()
    assert recording.finish().is_clean
    return {"load_s": loaded - started, "calls_per_s": 2 * calls / (served - loaded)}


@click.command()
@click.option("--events", type=click.IntRange(min=3), default=100_000, show_default=True, help="Of the recorded run.")
def main(events: int) -> None:
    """Measure the time that a recording takes, in seconds of the processor."""
    run = run_of(events)
    rounds = [measure(run) for _ in range(_ROUNDS)]
    load_s, rate = (median(each[name] for each in rounds) for name in ("load_s", "calls_per_s"))
    click.echo(
        report.table(
            (f"a recording of {len(run):,} events", "load, s", "calls/s"), [("", f"{load_s:.2f}", f"{rate:,.0f}")]
        )
    )


if __name__ == "__main__":
    main()
