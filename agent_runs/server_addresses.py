"""Checks the names of hosts, and the addresses of KAFKA_BOOTSTRAP_SERVERS: `host[:port][,host[:port]…]`."""

import re
from typing import Final

# A host name, an IPv4 address, an IPv6 address with brackets or, without a port, without them.
_ADDRESS: Final = re.compile(
    r"(?:\[[\w:.%]+\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]+))?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
)


def address_problems(servers: str) -> list[str]:
    """Return one sentence for each address that is not valid."""
    return [
        f"KAFKA_BOOTSTRAP_SERVERS: must be host[:port][,host[:port]…] without a scheme{_got(address)}"
        for address in servers.split(",")
        if not _is_valid(address.strip())
    ]


def can_be_looked_up(host: str) -> bool:
    """Return whether DNS can be asked for a host: no part between its dots is empty or has more than 63 characters."""
    try:
        host.encode("idna")  # as the socket module does before the look-up
    except UnicodeError:
        return False
    return True


def _is_valid(address: str) -> bool:
    match = _ADDRESS.fullmatch(address)
    return match is not None and 0 < int(match["port"] or 1) < 65_536 and can_be_looked_up(match["name"] or "")


def _got(address: str) -> str:
    """Return the address as the end of a sentence, unless it may have a password."""
    return f", got {address!r}" if "@" not in address else " and without a user: set KAFKA_SASL_USERNAME"
