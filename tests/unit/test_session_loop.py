"""The event loop of the emitter's delivery thread."""

from contextlib import closing

from agent_runs.emitter.event_loop import SessionLoop


class Connection:
    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


class ClosedConnection(Connection):
    """As a TLS connection of Python 3.11.2 that is closed already."""

    def abort(self) -> None:
        raise AttributeError("'NoneType' object has no attribute '_abort'")


def test_a_connection_that_is_closed_already_does_not_keep_the_others_from_being_closed() -> None:
    connections = [Connection(), ClosedConnection(), Connection()]
    with closing(SessionLoop()) as loop:
        loop._connections.update(connections)  # type: ignore[arg-type]
        loop.abort_connections()

    assert [connection.is_aborted for connection in connections] == [True, False, True]
