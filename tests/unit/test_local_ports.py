"""Ports for servers that are about to start."""

import random
from collections.abc import Sequence

import pytest

from deploy.local.ports import free_port


def test_nobody_is_given_the_port_that_another_was_just_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def the_first_ones(candidates: Sequence[int], k: int) -> list[int]:
        return list(candidates[:k])

    monkeypatch.setattr(random, "sample", the_first_ones)

    assert len({free_port() for _ in range(50)}) == 50
