"""Options of the service's Kafka clients."""

from typing import Any

from agent_runs.errors import SettingsError
from agent_runs.kafka import options
from agent_runs.settings import KafkaSettings
from consumer.errors import UsageError


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that every Kafka client shares.

    Raises:
        UsageError: a certificate or a private key cannot be loaded. It is a local file, so no retry helps.
    """
    try:
        return options.client_options(settings, client_id)
    except SettingsError as error:
        raise UsageError(str(error)) from error
