"""Connection options of all Kafka clients, in the library and in the service."""

import logging
import ssl
from typing import Any

from agent_runs.settings import KafkaSettings


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client shares: address, client id, TLS and SASL.

    Args:
        settings: how to reach Kafka.
        client_id: the name that brokers show in their logs and metrics.

    Raises:
        OSError: a certificate or key file cannot be read, or is invalid (`ssl.SSLError`).
    """
    logging.getLogger("aiokafka.conn").addFilter(_hide_password)  # has no effect if the logger has it already
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password,
        "ssl_context": _ssl_context(settings) if settings.security_protocol.endswith("SSL") else None,
    }


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_cafile)
    if settings.ssl_certfile:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    return context


def _hide_password(record: logging.LogRecord) -> bool:
    """Remove the login from the requests that aiokafka logs at DEBUG: with the mechanism PLAIN, it has the password."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            f"{type(value).__name__}(…)" if type(value).__name__.startswith("SaslAuthenticateRequest") else value
            for value in record.args
        )
    return True
