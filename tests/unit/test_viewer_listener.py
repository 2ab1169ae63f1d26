"""The socket on which the viewer listens."""

import socket
from contextlib import closing

from viewer.server import listen


def test_the_connections_of_the_viewer_do_not_wait_for_acknowledgements() -> None:
    with closing(listen("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with closing(accepted):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
