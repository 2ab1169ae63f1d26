"""`InstanceCheck`: which of two processes with one group instance id ends."""

import pytest

from consumer.errors import UsageError
from consumer.membership.instance_check import InstanceCheck
from consumer.model.members import Member, new_token

UUID = "12429c17-6ded-4946-ac72-21a2abdf7a27"
EARLIER, OWN, LATER = 1, 2, 3


def member(instance_id: str, token: int | None) -> Member:
    return Member(f"{instance_id}-{UUID}", "agent-runs-consumer", "10.0.0.7", frozenset(), True, token)


def test_a_process_ends_when_one_that_started_later_has_replaced_it() -> None:
    check = InstanceCheck("pod-1", OWN)
    check.check([member("pod-1", OWN)])

    with pytest.raises(UsageError, match="AGENT_RUNS_GROUP_INSTANCE_ID='pod-1'"):
        check.check([member("pod-1", LATER)])


@pytest.mark.parametrize(
    "other", [member("pod-1", EARLIER), member("pod-1", None), member("pod-1-2", LATER), member("pod", LATER)]
)
def test_a_process_continues_beside_earlier_ones_and_other_ids(other: Member) -> None:
    check = InstanceCheck("pod-1", OWN)

    check.check([member("pod-1", OWN)])
    check.check([other])


def test_the_entry_of_the_process_before_a_restart_is_not_a_second_process() -> None:
    # Its token is greater if the clock of its machine was ahead.
    InstanceCheck("pod-1", OWN).check([member("pod-1", LATER)])


def test_without_an_instance_id_nothing_is_checked() -> None:
    check = InstanceCheck(None, OWN)

    check.check([member("agent-runs-consumer", OWN)])
    check.check([member("agent-runs-consumer", LATER)])


def test_a_token_is_a_positive_bigint() -> None:
    assert 0 < new_token() < 2**63
