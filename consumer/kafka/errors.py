"""The one table that translates the Kafka client's errors into the service's."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    IllegalArgumentError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from msgspec import structs

from agent_runs.kafka.errors import FetchTooLarge
from agent_runs.kafka.failures import failure_behind
from consumer.errors import (
    ConsumerError,
    KafkaClientBroken,
    LoginRefused,
    MemberRefused,
    RecordUnreadable,
    Unavailable,
    UsageError,
)
from consumer.settings import TopicConfig

# OSError and TimeoutError: from the socket, and from the deadlines that this package sets. The client raises both.
CLIENT_ERRORS: Final = (KafkaError, OSError, TimeoutError)
_SHOWN_CHARACTERS: Final = 500  # the error of a header's name quotes the name
# Those of the client's errors that a record causes. Parsing a record batch raises many others too, such as ValueError.
RECORD_ERRORS: Final = (CorruptRecordException, RecordTooLargeError, UnsupportedCodecError)
REQUEST_TIMEOUT_S: Final = 10.0  # how long a request outside the consumer group may take

# Refusals of the coordinator that only another setting resolves, and those whose cause an operator can remove while the
# consumer retries; with the remedy. Placeholders are the fields of TopicConfig.
_WRONG_SETTINGS: Final[dict[type[KafkaError], str]] = {
    InvalidSessionTimeoutError: "AGENT_RUNS_SESSION_TIMEOUT_S={session_timeout_s:g}: the broker refuses this session "
    "timeout; set it between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
    InvalidGroupIdError: "AGENT_RUNS_GROUP={group!r}: the broker refuses this group id; set another one",
}
_REFUSALS: Final[dict[type[KafkaError], str]] = {
    GroupAuthorizationFailedError: "grant this consumer READ on the group {group!r}",
    TopicAuthorizationFailedError: "grant this consumer READ and DESCRIBE on the topic {topic!r}",
    InconsistentGroupProtocolError: "the group {group!r} has a member of another program; stop that program, or set "
    "AGENT_RUNS_GROUP to a group that only these consumers use",
}
# The client's text for an error code of the join that it does not know, such as GROUP_MAX_SIZE_REACHED.
_UNKNOWN_CODE: Final = "UnknownError()"
_UNKNOWN_REFUSAL: Final = (
    "the coordinator refuses another member of the group {group!r}, with a code that the client does not know; compare "
    "the number of members with the broker's group.max.size, check that no other process has the same "
    "AGENT_RUNS_GROUP_INSTANCE_ID, and read the broker's log"
)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise Unavailable, with the client's reason, in place of an error of the Kafka client.

    It is a LoginRefused if broker and client refuse each other. An IllegalArgumentError passes: the call is wrong, and
    repeating it does not help.
    """
    began_at = time.monotonic()
    try:
        yield
    except IllegalArgumentError:
        raise
    except CLIENT_ERRORS as error:
        failure = failure_behind(error, began_at)
        if failure is not None and failure.is_refusal:
            raise LoginRefused(f"Kafka: {failure}") from error
        raise Unavailable(f"Kafka: {failure or repr(error)}") from error


@contextmanager
def unreadable_records() -> Iterator[None]:
    """Raise RecordUnreadable in place of an error that a record causes. Parsing a batch raises errors of any class."""
    try:
        yield
    except FetchTooLarge:
        raise
    except Exception as error:
        if isinstance(error, CLIENT_ERRORS) and not isinstance(error, RECORD_ERRORS):
            raise
        raise RecordUnreadable(repr(error)[:_SHOWN_CHARACTERS]) from error


@asynccontextmanager
async def answered_within(timeout_s: float) -> AsyncIterator[None]:
    """Cancel the block after `timeout_s` seconds, and translate its errors.

    Raises:
        Unavailable: the client raised an error, or the block took longer.
    """
    try:
        with translated_errors():
            async with asyncio.timeout(timeout_s) as deadline:
                yield
    except Unavailable as error:
        if deadline.expired() and isinstance(error.__cause__, TimeoutError):
            remedy = "start the broker, or correct KAFKA_BOOTSTRAP_SERVERS"
            raise Unavailable(f"Kafka: no answer within {timeout_s:g} s: {remedy}") from error
        raise


def member_error(error: KafkaError, config: TopicConfig) -> ConsumerError:
    """Return the error to raise for one that ends a membership of the consumer group.

    Returns:
        UsageError if only another setting helps; MemberRefused if the coordinator refuses the member for a cause that
        an operator can remove; else KafkaClientBroken.
    """
    kind, fields = type(error), structs.asdict(config)
    if kind in _WRONG_SETTINGS:
        return UsageError(_WRONG_SETTINGS[kind].format(**fields))
    remedy = _REFUSALS.get(kind) or (_UNKNOWN_REFUSAL if _UNKNOWN_CODE in str(error) else None)
    if remedy is not None:
        return MemberRefused(f"Kafka: {error}: {remedy.format(**fields)}")
    return KafkaClientBroken(repr(error))
