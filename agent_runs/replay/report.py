"""What a replay has done."""

import msgspec

from agent_runs.replay.requests import Request
from agent_runs.replay.units import Unit


class Drift(msgspec.Struct, frozen=True):
    """A model call that was answered although its prompts differ from the recorded ones.

    Attributes:
        unit: the recorded call whose answer was served.
        request: the call of the agent.
        difference: the first difference, by its path.
    """

    unit: Unit
    request: Request
    difference: str


class Report(msgspec.Struct, frozen=True):
    """What a replay has done so far.

    Attributes:
        served: the recorded calls whose answers were served, in the order of the requests; those of `drifted` too.
        drifted: those whose prompts differ.
        unserved: the recorded calls that the agent did not make.
        live: the requests that were answered by the real function or by a callable policy.
        refused: the requests of tools whose policy is `error`, which the agent saw as failed calls.
        divergences: the messages of all divergences.
        missing_events: how many events of the recorded run are missing.
    """

    served: list[Unit]
    drifted: list[Drift]
    unserved: list[Unit]
    live: list[Request]
    refused: list[Request]
    divergences: list[str]
    missing_events: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every recorded call was served as recorded, and no other call was made."""
        return not (self.drifted or self.unserved or self.live or self.refused or self.divergences)

    def __str__(self) -> str:
        lines = [
            f"{len(self.served)} served, {len(self.drifted)} of them drifted; {len(self.unserved)} unserved; "
            f"{len(self.live)} live; {len(self.refused)} refused; {len(self.divergences)} divergences"
        ]
        if self.missing_events:
            lines.append(f"{self.missing_events} events of the recorded run are missing")
        lines += [f"drifted: {drift.unit.text}: {drift.difference}" for drift in self.drifted]
        lines += [f"unserved: {unit.text}" for unit in self.unserved]
        lines += [f"live: {request.text}" for request in self.live]
        lines += [f"refused: {request.text}" for request in self.refused]
        lines += [f"divergence: {text}" for text in self.divergences]
        return "\n".join(lines)
