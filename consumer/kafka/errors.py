"""The one table that translates the Kafka client's errors into the service's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import IllegalArgumentError, KafkaError

from consumer.errors import Unavailable

# OSError and TimeoutError: from the socket, and from the deadlines that this package sets. The client raises both.
CLIENT_ERRORS: Final = (KafkaError, OSError, TimeoutError)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise Unavailable, with the client's reason, in place of an error of the Kafka client.

    An IllegalArgumentError passes: the call is wrong, and repeating it does not help.
    """
    try:
        yield
    except IllegalArgumentError:
        raise
    except CLIENT_ERRORS as error:
        raise Unavailable(f"Kafka: {error!r}") from error
