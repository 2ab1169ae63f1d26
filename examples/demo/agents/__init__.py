"""A handful of agents and what they say: pure scripts, the same ones for the same seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from examples.demo.agents import coder, importer, planner, researcher, support
from examples.demo.agents.voice import Script, Step, Voice, World

__all__ = ["Script", "Step", "conversations"]


@dataclass(frozen=True, slots=True)
class Role:
    """An agent and how often it is called for, compared with the others."""

    agent_id: str
    script: Callable[[Voice], Script]
    weight: int


CAST = (
    Role(planner.AGENT_ID, planner.report, weight=2),  # starts two researchers of its own
    Role(researcher.AGENT_ID, researcher.any_question, weight=3),
    Role(support.AGENT_ID, support.refund, weight=6),
    Role(coder.AGENT_ID, coder.repair, weight=4),
    Role(importer.AGENT_ID, importer.import_invoices, weight=3),
)


def conversations(count: int, seed: int, clock: Callable[[], datetime]) -> Iterator[Script]:
    """So many scripts, each with its own dice: one more or one less changes none of the others."""
    roles = Random(seed).choices(CAST, weights=[role.weight for role in CAST], k=count)
    for number, role in enumerate(roles):
        yield role.script(Voice(World(Random(f"{seed}:{number}"), clock), role.agent_id))
