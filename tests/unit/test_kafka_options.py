"""The options of Kafka clients, and what aiokafka may log."""

import logging
from collections.abc import Callable
from threading import get_ident

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest_v0, SaslAuthenticateRequest_v1

from agent_runs.kafka.options import client_options
from agent_runs.settings import KafkaSettings

SECRET = "S3cret"


@pytest.mark.parametrize("request_class", [SaslAuthenticateRequest_v0, SaslAuthenticateRequest_v1])
def test_a_login_that_aiokafka_logs_at_debug_is_hidden(
    caplog: pytest.LogCaptureFixture, request_class: Callable[[bytes], object]
) -> None:
    settings = KafkaSettings(
        bootstrap_servers="a:1", security_protocol="SASL_PLAINTEXT", sasl_username="ada", sasl_password=SECRET
    )
    for _ in range(2):
        assert client_options(settings, "test")["sasl_plain_password"] == SECRET
    with caplog.at_level(logging.DEBUG, "aiokafka.conn"):
        login = request_class(f"ada\0ada\0{SECRET}".encode())
        logging.getLogger("aiokafka.conn").debug("Request to %s:%d %d: %s", "a", 1, 2, login)

    # The thread of an emitter of an earlier test may log too.
    messages = [record.getMessage() for record in caplog.records if record.thread == get_ident()]
    assert messages == [f"Request to a:1 2: {type(login).__name__}(…)"]
