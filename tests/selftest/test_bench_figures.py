"""The benchmark computes its figures correctly. A wrong figure would not be noticed."""

import json

import pytest

from tests.bench.cpu_time import CpuTimes, append_sample, interpolate
from tests.bench.database import Transaction, check_stored
from tests.bench.measurement import steady_part
from tests.bench.records import plan_records
from tests.bench.scenarios.growth import first_and_last_rate
from tests.bench.workload import messages, with_new_ids


def sample(moment: float, client: float = 0.0) -> CpuTimes:
    return CpuTimes(at=moment, client=client, kafka=0.0, postgres=0.0, machine=0.0)


def test_processor_times_between_two_samples_are_interpolated() -> None:
    samples = [sample(10.0, 1.0), sample(12.0, 2.0), sample(13.0, 5.0)]

    assert interpolate(samples, 11.0).client == 1.5
    assert interpolate(samples, 12.5).client == 3.5
    assert interpolate(samples, 12.0).until(interpolate(samples, 13.0)).client == 3.0


def test_the_cost_of_sampling_is_subtracted_and_times_never_decrease() -> None:
    samples = [sample(10.0, 1.0)]

    append_sample(samples, sample(11.0, 3.0), sampling_s=0.5)
    append_sample(samples, sample(12.0, 2.0), sampling_s=0.6)  # a child ended while the sample was taken

    assert [each.client for each in samples] == [1.0, 2.5, 2.5]


def test_the_share_of_others_is_the_time_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    assert CpuTimes(at=10.0, client=4.0, kafka=1.0, postgres=5.0, machine=15.0).others_share() == 0.25


def test_the_steady_part_is_from_half_of_the_events_to_95_percent() -> None:
    # 10 events/s, but the last transaction comes much later.
    transactions = [Transaction(100.0 + second, 10) for second in range(19)] + [Transaction(999.0, 10)]

    assert steady_part(transactions) == (109.0, 118.0, 90)


def test_one_transaction_is_not_enough_for_a_rate() -> None:
    with pytest.raises(RuntimeError):
        steady_part([Transaction(1.0, 100)])


def test_the_first_and_the_last_tenth_are_timed_from_commit_to_commit() -> None:
    # First 100 events/s; at the end 50 in 1 s, then 300 in 2 s.
    transactions = [Transaction(float(second), 100) for second in range(20)]
    transactions += [Transaction(20.0, 50), Transaction(22.0, 300)]

    assert first_and_last_rate(transactions) == (100.0, 150.0)
    assert first_and_last_rate(transactions[:-1]) == (100.0, 250 / 3)


def test_messages_with_new_ids_differ_in_nothing_else() -> None:
    base = messages(1, 500)
    renamed = list(with_new_ids(base, 2))

    assert len({message.run_id for message in base}) == len({message.run_id for message in renamed})
    for old, new in zip(base, renamed, strict=True):
        before, after = json.loads(old.value), json.loads(new.value)
        assert before.pop("id") != after.pop("id")
        assert before == after


def test_planned_records_have_consecutive_offsets_and_one_partition_for_each_run() -> None:
    records = list(plan_records(messages(1, 500), 12))

    for partition in {record.partition for record in records}:
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert len({(record.key, record.partition) for record in records}) == len({record.key for record in records})


def test_a_missing_or_additional_event_is_an_error() -> None:
    check_stored("the system", stored=10, events=10)
    for stored in (9, 11):
        with pytest.raises(RuntimeError, match=f"the system stored {stored} of 10 events"):
            check_stored("the system", stored, events=10)
