"""What the benchmark makes of what it saw: a wrong figure looks like a right one."""

import json

import pytest

from tests.bench.clocks import Reading, at, note
from tests.bench.placement import place
from tests.bench.scenarios.growth import rates
from tests.bench.tables import Committed, check_stored
from tests.bench.turns import steady
from tests.bench.workload import messages, with_new_ids


def reading(moment: float, client: float = 0.0) -> Reading:
    return Reading(at=moment, client=client, kafka=0.0, postgres=0.0, machine=0.0)


def test_the_clocks_between_two_readings_are_interpolated() -> None:
    readings = [reading(10.0, 1.0), reading(12.0, 2.0), reading(13.0, 5.0)]

    assert at(readings, 11.0).client == 1.5
    assert at(readings, 12.5).client == 3.5
    assert at(readings, 12.0).until(at(readings, 13.0)).client == 3.0


def test_what_reading_takes_is_not_the_clients_and_clocks_do_not_go_back() -> None:
    readings = [reading(10.0, 1.0)]

    note(readings, reading(11.0, 3.0), own_s=0.5)
    note(readings, reading(12.0, 2.0), own_s=0.6)  # a child has ended in the middle of it

    assert [each.client for each in readings] == [1.0, 2.5, 2.5]


def test_the_share_of_others_is_what_the_machine_did_beside_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    assert Reading(at=10.0, client=4.0, kafka=1.0, postgres=5.0, machine=15.0).others_share() == 0.25


def test_the_steady_part_is_from_half_of_the_events_to_nearly_all() -> None:
    # 10 events a second, the first transaction very late and the last one too.
    transactions = [Committed(100.0 + second, 10) for second in range(19)] + [Committed(999.0, 10)]

    assert steady(transactions) == (109.0, 118.0, 90)


def test_one_transaction_is_too_little_to_tell_a_rate() -> None:
    with pytest.raises(RuntimeError):
        steady([Committed(1.0, 100)])


def test_the_first_tenth_and_the_last_are_timed_from_commit_to_commit() -> None:
    # 100 events in 1 s each at first; at the end 50 in 1 s, then 300 in 2 s.
    transactions = [Committed(float(second), 100) for second in range(20)]
    transactions += [Committed(20.0, 50), Committed(22.0, 300)]

    assert rates(transactions) == (100.0, 150.0)
    assert rates(transactions[:-1]) == (100.0, 250 / 3)


def test_messages_under_new_ids_differ_in_nothing_else() -> None:
    base = messages(1, 500)
    renamed = list(with_new_ids(base, 2))

    assert len({message.run_id for message in base}) == len({message.run_id for message in renamed})
    for old, new in zip(base, renamed, strict=True):
        before, after = json.loads(old.value), json.loads(new.value)
        assert before.pop("id") != after.pop("id")
        assert before == after


def test_the_messages_of_a_run_are_placed_one_behind_the_other_in_its_partition() -> None:
    placed = list(place(messages(1, 500), 12))

    for partition in {record.partition for record in placed}:
        offsets = [record.offset for record in placed if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert len({(record.key, record.partition) for record in placed}) == len({record.key for record in placed})


def test_an_event_too_few_or_too_many_is_no_result() -> None:
    check_stored("somebody", stored=10, events=10)
    for stored in (9, 11):
        with pytest.raises(RuntimeError, match=f"somebody stored {stored} of 10 events"):
            check_stored("somebody", stored, events=10)
