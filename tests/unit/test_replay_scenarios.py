"""Changed agents with parallel tasks are never answered with another call's answer."""

from collections import Counter

import pytest

from tests.support.paths import CHECKOUT
from tests.support.replay.scenarios import SCENARIOS, replay

SEEDS = 200


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_table_of_the_page_about_replay_is_what_200_seeds_give(scenario: str) -> None:
    counts = Counter[str]()
    for seed in range(SEEDS):
        counts += replay(scenario, seed)
    shares = [f"{100 * counts[outcome] / counts.total():.0f} %" for outcome in ("right", "wrong", "missed")]

    assert counts["wrong"] == 0
    assert not scenario.startswith("unchanged") or counts["missed"] == 0
    page = (CHECKOUT / "docs" / "replay.md").read_text(encoding="utf-8")
    assert f"| {scenario} | {' | '.join(shares)} |" in page.splitlines()
