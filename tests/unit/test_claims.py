"""The life of a claim."""

import pytest

from consumer.model.claims import Claim, ClaimState


def test_a_new_claim_does_not_know_where_to_begin() -> None:
    claim = Claim(3)

    assert (claim.partition, claim.state, claim.lag) == (3, ClaimState.NEW, 0)
    assert claim.idle.is_set()


def test_a_claim_begins_where_the_tables_say() -> None:
    claim = Claim(3)
    claim.begin(42, (41, 1000))

    assert (claim.state, claim.position, claim.next_offset) == (ClaimState.READY, 42, 42)
    assert claim.last == claim.anchor == (41, 1000)


@pytest.mark.parametrize(("end", "lag"), [(42, 0), (50, 8), (0, 0)])
def test_the_lag_is_what_is_not_stored_and_never_negative(end: int, lag: int) -> None:
    claim = Claim(3)
    claim.begin(42, None)
    claim.position, claim.end_offset = 48, end

    assert claim.lag == lag


def test_a_halted_claim_says_why() -> None:
    claim = Claim(3)
    claim.halt("gone")

    assert (claim.state, claim.halted_because) == (ClaimState.HALTED, "gone")


def test_a_lost_claim_is_not_halted_any_more() -> None:
    claim = Claim(3)
    claim.lose()
    claim.halt("gone")

    assert (claim.state, claim.halted_because) == (ClaimState.LOST, "")
