"""The remedy for a failed attempt to connect."""

import pytest
from aiokafka.errors import KafkaConnectionError

from agent_runs.kafka.failures import ConnectFailure, note_accepted

CLOSED = (KafkaConnectionError("Connection at host:port closed"), ConnectionResetError())


@pytest.mark.parametrize("error", CLOSED, ids=repr)
def test_a_connection_that_is_closed_shows_another_security_protocol_unless_the_broker_has_accepted_one(
    error: Exception,
) -> None:
    failures = [ConnectFailure(f"{host}:9092", False, error, 0) for host in ("fresh.test", "known.test", "second.test")]
    note_accepted("known.test,second.test:9092")

    assert ["KAFKA_SECURITY_PROTOCOL" in str(failure) for failure in failures] == [True, False, False]
    assert "until it has restarted" in str(failures[1])


def test_a_broker_that_advertises_its_address_is_not_reached_with_another_protocol() -> None:
    failure = ConnectFailure("advertised.test:9092", True, ConnectionResetError(), 0)

    assert "KAFKA_SECURITY_PROTOCOL" not in str(failure)


def test_a_broker_that_has_accepted_a_client_may_be_down() -> None:
    note_accepted("down.test")

    assert "start the broker" in str(ConnectFailure("down.test:9092", False, ConnectionRefusedError(111, "refused"), 0))
