"""Free ports for servers that are about to start."""

import random
from collections.abc import Sequence

import pytest

from deploy.local.ports import free_port


def test_a_port_is_not_returned_twice_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_candidates(candidates: Sequence[int], k: int) -> list[int]:
        return list(candidates[:k])

    monkeypatch.setattr(random, "sample", first_candidates)

    assert len({free_port() for _ in range(50)}) == 50
