"""Why a Kafka client cannot connect: the address that it tried, Kafka's reason, and what to correct.

aiokafka logs the error of each attempt to connect, and then raises a general one, such as "Unable to bootstrap from …".
A filter on its logger keeps the last logged error of each thread.
"""

import asyncio
import logging
import socket
import ssl
import time
from threading import local
from typing import Final, NamedTuple

from aiokafka.conn import collect_hosts
from aiokafka.errors import (
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    StaleMetadata,
    UnsupportedSaslMechanismError,
)

from agent_runs.certificate_dates import date_remedy

# Errors that do not state a reason: the client could not connect, and has logged the cause.
_GENERAL: Final = (KafkaConnectionError, NodeNotReadyError, StaleMetadata)

_PROTOCOL: Final = "compare KAFKA_SECURITY_PROTOCOL with the listener of the broker at this port"
_RESTARTED: Final = "it has accepted this client before; wait until it has restarted, or read its log"
_CERTIFICATE: Final = (
    "set KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE to a client certificate that the broker accepts and that has not "
    "expired"
)
_CREDENTIALS: Final = "correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
_BOOTSTRAP: Final = "correct KAFKA_BOOTSTRAP_SERVERS, or start the broker"
_ADVERTISED: Final = (
    "the broker advertises this address, and clients must be able to reach it: correct advertised.listeners of the "
    "broker"
)


class ConnectFailure(NamedTuple):
    """A failed attempt to connect to a broker.

    Attributes:
        address: host and port.
        is_advertised: the address is from the broker's metadata, not from the settings.
        error: why.
        at: when, as a value of `time.monotonic`.
    """

    address: str
    is_advertised: bool
    error: BaseException
    at: float

    @property
    def is_refusal(self) -> bool:
        """Whether broker or client refuses the other one: its login, its certificate, its security protocol."""
        return _refusal(self.error) is not None

    def __str__(self) -> str:
        """Return the address, the reason and the remedy."""
        # Brokers advertise only addresses of the listener that a client uses.
        closed = _RESTARTED if self.is_advertised or self.address in _accepted_at else _PROTOCOL
        remedy = _ADVERTISED if self.is_advertised else _BOOTSTRAP
        reason, remedy = _refusal(self.error) or _outage(self.error, remedy, closed)
        return f"broker {self.address}: {reason}: {remedy}"


class _Thread(local):
    failure: ConnectFailure | None = None


_thread: Final = _Thread()
# The addresses of the settings with which a client of this process has connected.
_accepted_at: Final[set[str]] = set()


def note_accepted(bootstrap_servers: str) -> None:
    """Record that a client has connected: a connection that is closed later does not show a wrong security protocol."""
    _accepted_at.update(f"{host}:{port}" for host, port, _ in collect_hosts(bootstrap_servers))


def keep_failures() -> None:
    """Begin to keep the errors that aiokafka logs. Has no effect if it has been called before."""
    logging.getLogger("aiokafka").addFilter(_keep)


def discard_unhandled_logs() -> None:
    """Keep Python from printing aiokafka's warnings in a program that has not configured logging: errors are raised."""
    log = logging.getLogger("aiokafka")
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # in place of `logging.lastResort`


def failure_behind(error: BaseException, began_at: float) -> ConnectFailure | None:
    """Return the failed attempt to connect that an error of a client is about; None if it states its cause.

    Args:
        error: from a call of a client in this thread.
        began_at: when the call began, as a value of `time.monotonic`.
    """
    failure = _thread.failure
    is_general = isinstance(error, (*_GENERAL, TimeoutError)) or type(error) is KafkaError
    return failure if is_general and failure is not None and failure.at >= began_at else None


def _keep(record: logging.LogRecord) -> bool:
    """Keep the error of a line such as `Unable connect to "%s:%s": %s` or `Unable connect to node with id %s: %s`."""
    if record.levelno >= logging.WARNING and isinstance(record.args, tuple):
        *place, error = record.args
        if isinstance(error, BaseException):
            address = _address_tried(error) or ":".join(map(str, place))
            _thread.failure = ConnectFailure(address, len(place) == 1, error, time.monotonic())
    return True


def _address_tried(error: BaseException) -> str:
    """Return the arguments of the client's function that opens a connection; empty if the error is not from there.

    The line in the log has only the number of a broker, and a failed lookup of a host name has no name.
    """
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "create_conn":
            values = traceback.tb_frame.f_locals
            return f"{values.get('host')}:{values.get('port')}"
        traceback = traceback.tb_next
    return ""


def _refusal(error: BaseException) -> tuple[str, str] | None:
    """Return the reason and the remedy if one side refuses the other one; None if the broker cannot be reached."""
    cause = error.__cause__ if isinstance(error, KafkaConnectionError) else error
    match cause:
        case SaslAuthenticationFailed():
            return str(cause), _CREDENTIALS
        case UnsupportedSaslMechanismError():
            return "the listener does not support this SASL mechanism", "set KAFKA_SASL_MECHANISM to one that it has"
        case IllegalSaslStateError():
            return "the listener has no SASL", _PROTOCOL
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {cause.verify_message}", _remedy_of_certificate(cause)
        case ssl.SSLError():
            is_certificate = "CERTIFICATE" in (cause.reason or "")
            return f"TLS fails ({cause.reason})", _CERTIFICATE if is_certificate else _PROTOCOL
        case _:
            return None


def _remedy_of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if remedy := date_remedy(error):
        return remedy
    if "mismatch" in error.verify_message:
        return "use a host name of the certificate in KAFKA_BOOTSTRAP_SERVERS, or correct the certificate"
    return "set KAFKA_SSL_CAFILE to the certificate authority of the brokers"


def _outage(error: BaseException, remedy: str, closed: str) -> tuple[str, str]:
    """Return the reason and the remedy if the broker cannot be reached, or ends the connection.

    Args:
        error: why.
        remedy: if the broker cannot be reached.
        closed: the remedy if the broker closes the connection.
    """
    match error:
        case KafkaConnectionError() | ConnectionResetError() | asyncio.IncompleteReadError():
            return f"the connection was closed ({error})" if str(error) else "the connection was closed", closed
        case IncompatibleBrokerVersion():
            return str(error), "use the port of a broker, not of a controller, in KAFKA_BOOTSTRAP_SERVERS"
        case TimeoutError():
            return "no answer", remedy
        case socket.gaierror():
            return f"the host is not known ({error.strerror})", remedy
        case OSError():
            return error.strerror or repr(error), remedy
        case _:
            return str(error) or repr(error), remedy
