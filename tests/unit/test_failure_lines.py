"""A failed batch is logged with what happens next, and the end of the failures too."""

import asyncio

import pytest
from structlog.testing import capture_logs

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    RepeatedIds,
    StaleOffsets,
    StoreError,
    Unavailable,
)
from consumer.lanes.failure_lines import FailureLines
from consumer.model.claims import Claim


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (RepeatedIds, "info"),
        (StaleOffsets, "info"),
        (ConnectionLost, "warning"),
        (Blocked, "warning"),
        (DataRefused, "warning"),
        (NewConnection, "warning"),
        (Unavailable, "warning"),
    ],
)
async def test_what_is_normal_is_not_a_warning(error: type[StoreError], level: str) -> None:
    lines, claim = FailureLines(), Claim(3)
    with capture_logs() as logged:
        lines.failed(error("why"), [claim])

    (line,) = logged
    assert (line["action"], line["log_level"], line["partitions"]) == ("batch_failed", level, [3])
    assert "why" in line["error"]


async def test_the_end_of_failures_is_logged_once_with_duration_and_attempts() -> None:
    lines, claim, other = FailureLines(), Claim(3), Claim(4)
    with capture_logs() as logged:
        lines.stored([claim])
        lines.failed(Unavailable("no"), [claim, other])
        await asyncio.sleep(0.02)
        lines.failed(Blocked("locked"), [claim])
        lines.stored([claim])
        lines.stored([claim])
        lines.stored([other])

    ends = [line for line in logged if line["action"] == "batch_stored"]
    assert [(line["partitions"], line["attempts"]) for line in ends] == [([3], 3), ([4], 2)]
    assert ends[0]["after_s"] >= 0.02


async def test_normal_refusals_have_no_end() -> None:
    lines, claim = FailureLines(), Claim(3)
    with capture_logs() as logged:
        lines.failed(RepeatedIds("repeated"), [claim])
        lines.stored([claim])

    assert [line["action"] for line in logged] == ["batch_failed"]


async def test_a_claim_that_was_taken_away_is_forgotten() -> None:
    lines, revoked, other = FailureLines(), Claim(3), Claim(4)
    with capture_logs() as logged:
        lines.failed(Unavailable("no"), [revoked, other])
        revoked.revoke()
        lines.stored([other])
        lines.stored([revoked])

    assert [line["partitions"] for line in logged if line["action"] == "batch_stored"] == [[4]]
