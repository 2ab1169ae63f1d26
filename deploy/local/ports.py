"""Free ports of the loopback interface."""

import random
import socket
from collections import deque

from deploy.local.errors import PortTaken

HOST = "127.0.0.1"

# Below the ports that systems give to outgoing connections (Linux from 32768, macOS from 49152). From among those,
# a client that keeps dialing a killed server's port in time connects to itself, and the server cannot come back.
CANDIDATES = range(20_000, 32_000)


# Until somebody listens there, a port is free for the next who asks.
_given_lately: deque[int] = deque(maxlen=100)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: old connections don't count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on. At random, so that two stacks that start at once hardly meet."""
    for port in random.sample(CANDIDATES, k=200):
        if port not in _given_lately and is_free(port):
            _given_lately.append(port)
            return port
    raise PortTaken(f"no free port found between {CANDIDATES.start} and {CANDIDATES.stop - 1}; name one yourself")


def require_free(port: int, server: str) -> None:
    """Raise PortTaken, with the remedy, when another program listens there."""
    if not is_free(port):
        raise PortTaken(
            f"{server}: port {port} is taken by another program; stop that one, choose another port, "
            f"or choose none to get any free one"
        )
