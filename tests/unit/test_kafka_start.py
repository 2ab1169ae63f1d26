"""The options with which the local Kafka starts."""

import sys
from pathlib import Path

import pytest

from deploy.local.kafka import aot_cache, fast_start_jvm


def test_a_fast_start_uses_the_cache_of_the_jvm_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    without = fast_start_jvm()
    aot_cache().parent.mkdir()
    aot_cache().touch()

    assert fast_start_jvm() == (*without, f"-XX:AOTCache={aot_cache()}")
