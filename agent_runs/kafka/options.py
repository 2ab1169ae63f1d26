"""Connection options of all Kafka clients."""

import logging
import ssl
from typing import Any, Final

from agent_runs.client_certificate import InvalidCertificate, Part, load_client_certificate
from agent_runs.errors import SettingsError
from agent_runs.kafka.failures import keep_failures
from agent_runs.settings import KafkaSettings

_VARIABLES: Final[dict[Part, str]] = {
    "certificate": "KAFKA_SSL_CERTFILE",
    "key": "KAFKA_SSL_KEYFILE",
    "password": "KAFKA_SSL_KEY_PASSWORD",
}


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client shares: address, client id, TLS and SASL.

    Args:
        settings: how to reach Kafka.
        client_id: the name that brokers show in their logs and metrics.

    Raises:
        SettingsError: a certificate or a private key cannot be loaded.
    """
    keep_failures()
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
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
    except OSError as error:  # also an SSLError
        reason = f"not valid ({error.reason})" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError([f"KAFKA_SSL_CAFILE: {settings.ssl_cafile} cannot be loaded: {reason}"]) from None
    if settings.ssl_certfile:
        try:
            load_client_certificate(context, settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_key_password)
        except InvalidCertificate as error:
            raise SettingsError([f"{_VARIABLES[error.part]}: {error}"]) from None
    return context


def _hide_password(record: logging.LogRecord) -> bool:
    """Remove the login from the requests that aiokafka logs at DEBUG: with the mechanism PLAIN, it has the password."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            f"{type(value).__name__}(…)" if type(value).__name__.startswith("SaslAuthenticateRequest") else value
            for value in record.args
        )
    return True
