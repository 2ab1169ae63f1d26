"""What is told before the show."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

WHAT_COMES = """\
[bold]Agent Runs[/]: what LLM agents do goes through Kafka into PostgreSQL,
every event once and in order.

A few hundred runs of five agents are stored by two consumers. One of these is
killed on the way, and a foreign producer sends rubbish. In the end every record
is accounted for. It takes half a minute; servers and data are temporary.
"""


def tell_what_comes(console: Console) -> None:
    """What will be seen, and how long it takes."""
    console.print(WHAT_COMES)


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """One line for something that takes a while, with the time that it took."""
    began = time.monotonic()
    console.print(f"{what} …", end=" ")
    try:
        yield
    except BaseException:
        console.print()
        raise
    console.print(f"[dim]{time.monotonic() - began:.1f} s[/]")
