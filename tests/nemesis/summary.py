"""What is printed: a line for each round while it runs, and the sum in the end."""

from __future__ import annotations

from collections import Counter

from tests.nemesis.round import Outcome

SHOWN = 20
SHOWN_CHARACTERS = 1_500


class Summary:
    """The outcomes so far."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def add(self, number: int, seed: str, outcome: Outcome) -> str:
        """Take in a round's outcome. Returns its line."""
        self.outcomes.append(outcome)
        figures = outcome.figures
        recovered = outcome.worst.get("L1 lag 0 after the last fault, s", (0.0, 0.0))
        return (
            f"round {number} (seed {seed}): {figures['records']:,} records, {outcome.faults.total()} faults, "
            f"lag 0 after {recovered[0]:.1f} s, {len(outcome.violations)} violations"
        )

    @property
    def failed(self) -> bool:
        return any(outcome.violations for outcome in self.outcomes)

    def lines(self) -> list[str]:
        """The sum."""
        faults, figures = Counter[str](), Counter[str]()
        for outcome in self.outcomes:
            faults.update(outcome.faults)
            figures.update(outcome.figures)
        violations = [violation for outcome in self.outcomes for violation in outcome.violations]
        return [
            f"{len(self.outcomes)} rounds: " + ", ".join(f"{name} {value:,}" for name, value in figures.items()),
            f"faults: {faults.total():,} of {len(faults)} kinds",
            *(f"  {count:5,} {name}" for name, count in sorted(faults.items())),
            *self._worst(),
            f"{len(violations)} violations",
            *(violation[:SHOWN_CHARACTERS] for violation in violations[:SHOWN]),
        ]

    def _worst(self) -> list[str]:
        names = {name: None for outcome in self.outcomes for name in outcome.worst}
        lines = []
        for name in names:
            seen = [outcome.worst[name] for outcome in self.outcomes if name in outcome.worst]
            # Of a share, the least is the worst.
            value, bound = max(seen, key=lambda pair: pair[0] / pair[1] if "L6" not in name else -pair[0])
            lines.append(f"{name}: {value:.2f} at worst, {'at least' if 'L6' in name else 'at most'} {bound:.2f}")
        return lines
