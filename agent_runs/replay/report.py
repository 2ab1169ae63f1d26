"""What a replay has done."""

from textwrap import indent

import msgspec

from agent_runs.reader.event_text import count_text
from agent_runs.replay.messages import ANSWERED_SO_FAR, TO_GO_ON
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
        served: the recorded calls whose answers were served, in the order of the requests; those of `drifted` too. Not
            those that the agent made itself.
        drifted: those whose prompts differ.
        unserved: the recorded calls that the agent did not make.
        live: the requests that were answered by the real function, by a callable policy, or by the agent itself.
        refused: the requests of tools whose policy is `error`, which the agent saw as failed calls.
        divergences: the messages of all divergences.
        missing_events: how many events of the recorded run are missing.
        children: the reports of the child runs, by their agent. The other attributes are those of this run only.
    """

    served: list[Unit]
    drifted: list[Drift]
    unserved: list[Unit]
    live: list[Request]
    refused: list[Request]
    divergences: list[str]
    missing_events: int = 0
    children: dict[str, "Report"] = {}  # msgspec copies it

    @property
    def is_clean(self) -> bool:
        """Whether every recorded call was served as recorded, and no other call was made; also in the child runs."""
        return self._is_own_clean and all(child.is_clean for child in self.children.values())

    @property
    def _is_own_clean(self) -> bool:
        return not (self.drifted or self.unserved or self.live or self.refused or self.divergences)

    def __str__(self) -> str:
        lines = [self._summary()]
        if self.missing_events:
            lines.append(f"the recorded run lacks {count_text(self.missing_events, 'event')}")
        lines += [f"prompt differs: {drift.unit.text}: {drift.difference}" for drift in self.drifted]
        lines += [f"not made: {unit.text}" for unit in self.unserved]
        lines += [f"answered live: {request.text}" for request in self.live]
        lines += [f"failed: {request.text}" for request in self.refused]
        lines += [f"divergence: {_without_remedy(text)}" for text in self.divergences]
        for agent, child in self.children.items():
            lines += indent(f"child runs of {agent!r}: {child}", "  ").splitlines()
        return "\n".join(lines)

    def _summary(self) -> str:
        recorded = count_text(len(self.served) + len(self.unserved), "recorded call")
        parts = [f"{len(self.served)} of {recorded} answered from the recording"]
        if self.drifted:
            parts[0] += f", {len(self.drifted)} of them although the prompt differs"
        if self.unserved:
            parts.append(f"the agent did not make {count_text(len(self.unserved), 'recorded call')}")
        if self.live:
            parts.append(f"{count_text(len(self.live), 'call')} answered live, not from the recording")
        if self.refused:
            parts.append(f"{count_text(len(self.refused), 'call')} failed, because no answer is recorded")
        if self.divergences:
            parts.append(
                f"{count_text(len(self.divergences), 'call')} raised a divergence, because no recorded call fits"
            )
        if self._is_own_clean:
            parts.append("the agent made no other calls")
        return "; ".join(parts)


def _without_remedy(divergence: str) -> str:
    return divergence.partition(f"\n{ANSWERED_SO_FAR}")[0].partition(f"\n{TO_GO_ON}")[0]
