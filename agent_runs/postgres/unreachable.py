"""Why PostgreSQL cannot be reached, and what to correct."""

import socket
from typing import Final

_NO_TLS: Final = "rejected SSL upgrade"  # the driver has no class for this error


def unreachable(error: Exception, timeout_s: float) -> str:
    """Return the reason and the remedy, for an error that occurred before PostgreSQL could answer.

    Args:
        error: of the driver or the operating system. No part of DATABASE_URL but the address is in it.
        timeout_s: how long opening the connection was allowed to take.
    """
    reason = str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        reason = f"the host is not known ({error.strerror})"
    elif isinstance(error, TimeoutError):
        reason = f"no answer within {timeout_s:g} s"
    return f"PostgreSQL cannot be reached: {reason}: start it, or correct the host and the port in DATABASE_URL"


def missing_tls(error: Exception) -> str:
    """Return the reason and the remedy if the server has no TLS although `sslmode` requires it; else empty."""
    if isinstance(error, ConnectionError) and _NO_TLS in str(error):
        return f"{error}: the server has no TLS: set ssl = on there, or correct the host or sslmode in DATABASE_URL"
    return ""
