"""The problems behind the three probes `/livez`, `/readyz` and `/healthz`; each list is empty if all is well."""

from consumer.model.claims import ClaimState
from consumer.telemetry.state import State


def live_problems(state: State) -> list[str]:
    """Return why the process must be restarted. An unavailable server is not a reason: a restart does not help."""
    if state.since_event_loop_s() > state.stall_s:
        return [f"the event loop has been blocked for {state.since_event_loop_s():.0f} s: restart this process"]
    return []


def ready_problems(state: State) -> list[str]:
    """Return why this consumer does not consume: no membership, or partitions that are not started or do not move.

    A halted partition is not a reason: an operator decides about it, whichever consumer owns it.
    """
    found = live_problems(state)
    if state.refusal:
        found.append(state.refusal)
    elif not state.is_member:
        found.append("this consumer is not a member of its group")
    if new := [claim.partition for claim in state.claims if claim.state is ClaimState.NEW]:
        found.append(f"partitions {sorted(new)} are assigned and not started yet")
    return found + _stalled(state)


def problems(state: State) -> list[str]:
    """Return what is wrong now, one sentence each; empty while the consumer is healthy."""
    found = [f"partition {partition} is halted: {reason}" for partition, reason in state.halted().items()]
    if state.refusal:
        found.append(state.refusal)
    found += _stalled(state)
    found += [
        f"another application is a member of this consumer group: client id {member.client_id!r} at {member.host} has "
        f"partitions {sorted(member.partitions)}, whose records are not stored: stop it, or set AGENT_RUNS_GROUP to a "
        "group that only these consumers use"
        for member in state.foreign_members()
    ]
    if state.unowned_s() > state.stall_s and not state.foreign_members():
        found.append(f"no consumer of this group has had a partition for {state.stall_s:g} s")
    found += _unowned(state)
    found += _open_transactions(state)
    if stale := state.stale_end_offsets():
        found.append(f"Kafka has not reported the end offsets of partitions {stale} for {state.stale_s:g} s")
    if state.since_loop_s() > state.stall_s:
        found.append(f"the consume loop has not run for {state.stall_s:g} s")
    elif state.since_member_s() > state.stall_s and not state.refusal:
        found.append(f"this consumer has not been a member of its group for {state.stall_s:g} s")
    return found


def _stalled(state: State) -> list[str]:
    found = []
    for claim in state.stalled():
        why = f"lag {claim.lag}" if claim.state is ClaimState.READY else "its offsets could not be loaded"
        found.append(f"partition {claim.partition} has made no progress for {state.stall_s:g} s: {why}")
    return found


def _unowned(state: State) -> list[str]:
    lags = state.topic.lags(state.claims)
    return [
        f"no member of the group owns partition {partition}, which has a lag of {lags[partition]}: start more consumers"
        for partition in state.topic.long_unowned(state.claims)
        if lags.get(partition)
    ]


def _open_transactions(state: State) -> list[str]:
    return [
        f"partition {partition}: a transaction of {transaction.producer}, open for {age_s:.0f} s, blocks the records "
        f"from offset {transaction.start_offset} on: end it, or stop its producer"
        for partition, (transaction, age_s) in state.long_transactions().items()
    ]
