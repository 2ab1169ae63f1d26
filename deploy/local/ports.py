"""Free ports of the loopback interface."""

import random
import socket
from collections import deque

from deploy.local.errors import PortTaken

HOST = "127.0.0.1"

# Below the ports that systems give to outgoing connections (Linux from 32768, macOS from 49152). In that range, a
# client that keeps connecting to a killed server's port eventually connects to itself, and then the server cannot
# bind the port again.
CANDIDATES = range(20_000, 32_000)


# A port stays free until its server binds it, so it must not be returned twice in the meantime.
_recently_returned: deque[int] = deque(maxlen=100)


def is_free(port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: ignore connections in TIME_WAIT
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that is not in use. Chosen at random, so that two stacks that start at once rarely choose the same."""
    for port in random.sample(CANDIDATES, k=200):
        if port not in _recently_returned and is_free(port):
            _recently_returned.append(port)
            return port
    raise PortTaken(
        f"found no free port between {CANDIDATES.start} and {CANDIDATES.stop - 1}; choose the port of each server"
    )


def require_free(port: int, server: str) -> None:
    """Raise PortTaken if another program listens on the port. `server` is the server's name, for the message."""
    if not is_free(port):
        raise PortTaken(
            f"{server}: port {port} is taken by another program; stop that program, choose another port, "
            f"or choose no port to get a free one"
        )
