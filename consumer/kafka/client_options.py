"""Options of the service's Kafka clients."""

import ssl
from typing import Any

from agent_runs import kafka_options
from agent_runs.settings import KafkaSettings
from consumer.errors import UsageError


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that every Kafka client shares.

    Raises:
        UsageError: a certificate or key file cannot be loaded. It is a local file, so no retry helps.
    """
    try:
        return kafka_options.client_options(settings, client_id)
    except OSError as error:
        files = {
            "KAFKA_SSL_CAFILE": settings.ssl_cafile,
            "KAFKA_SSL_CERTFILE": settings.ssl_certfile,
            "KAFKA_SSL_KEYFILE": settings.ssl_keyfile,
        }
        shown = ", ".join(f"{name}={path!r}" for name, path in files.items() if path)
        reason = f"not valid ({error.reason})" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"{shown} cannot be loaded: {reason}") from error
