"""The states of a claim."""

import pytest

from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Fingerprint


def test_a_new_claim_has_no_start_offset_yet() -> None:
    claim = Claim(3)

    assert (claim.partition, claim.state, claim.lag) == (3, ClaimState.NEW, 0)
    assert claim.idle.is_set()


def test_a_claim_begins_at_the_stored_offset() -> None:
    claim = Claim(3)
    claim.begin(42, Fingerprint(41, 1000))

    assert (claim.state, claim.position, claim.next_offset) == (ClaimState.READY, 42, 42)
    assert claim.fingerprint == claim.anchor == (41, 1000)


@pytest.mark.parametrize(("reports", "lag"), [([], 0), ([42], 0), ([50], 8), ([50, 40], 0)])
def test_the_lag_is_what_is_not_stored_and_never_negative(reports: list[int], lag: int) -> None:
    claim = Claim(3)
    claim.begin(42, None)
    for end_offset in reports:
        claim.report_end_offset(end_offset)

    assert claim.lag == lag
    assert claim.end_offset_reports == len(reports)


@pytest.mark.parametrize(("known_end", "lag"), [(45, 6), (48, 6), (50, 8)])
def test_the_log_reaches_at_least_to_what_was_fetched(known_end: int, lag: int) -> None:
    claim = Claim(3)
    claim.begin(42, None)
    claim.fetched(48, known_end)

    assert (claim.position, claim.lag) == (48, lag)


def test_a_halted_claim_has_a_reason() -> None:
    claim = Claim(3)
    claim.halt("gone")

    assert (claim.state, claim.halt_reason) == (ClaimState.HALTED, "gone")


def test_a_revoked_claim_stays_revoked() -> None:
    claim = Claim(3)
    claim.revoke()
    claim.halt("gone")

    assert (claim.state, claim.halt_reason) == (ClaimState.REVOKED, "")


def test_a_claim_with_an_unreadable_record_halts_once_everything_before_it_is_stored() -> None:
    claim = Claim(0)
    claim.begin(5, None)
    claim.fetched(8, 10)

    claim.halt_when_stored("unreadable")
    assert (claim.state, claim.fetchable) == (ClaimState.READY, False)
    claim.stored(7, None)
    assert claim.state is ClaimState.READY
    claim.stored(8, None)
    assert (claim.state, claim.halt_reason) == (ClaimState.HALTED, "unreadable")


def test_a_claim_whose_first_record_is_unreadable_halts_at_once() -> None:
    claim = Claim(0)
    claim.begin(5, None)
    claim.halt_when_stored("unreadable")
    assert claim.state is ClaimState.HALTED
