"""`ProcessSessions` with a PostgreSQL whose sessions and locks a test ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from consumer.membership import process_sessions
from consumer.membership.process_sessions import ProcessSessions
from consumer.model.members import Member, decode_token, encode_token

OWN, OTHER = 1, 2
TICK_S = 0.2


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Sessions:
    """The locks that sessions hold; `connect` opens the session under test.

    Attributes:
        held: the tokens that other sessions have locked.
        own: the tokens that the session under test has locked.
    """

    def __init__(self) -> None:
        self.held = {OTHER}
        self.own: set[int] = set()
        self.backend_pid = self.reported_pid = 7

    async def connect(self) -> Any:
        session = SimpleNamespace(fetch=self.fetch, backend_pid=self.reported_pid, usable=True, terminate=lambda: None)
        self.session = session
        return session

    def end_own(self) -> None:
        """End the session under test."""
        self.session.usable = False
        self.own.clear()

    async def fetch(self, query: str, *parameters: Any) -> list[dict[str, int]]:
        match query:
            case "backend_pid":
                return [{"pid": self.backend_pid}]
            case "lock_token":
                self.own.add(parameters[0])
                return []
            case "free_tokens":
                return [{"token": token} for token in parameters[0] if token not in self.held]
        raise AssertionError(query)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(process_sessions, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def postgres() -> Sessions:
    return Sessions()


@pytest.fixture
def sessions(clock: Clock, postgres: Sessions) -> ProcessSessions:
    return ProcessSessions(postgres.connect, 1.0, OWN)


def member(member_id: str = "other", token: int | None = OTHER) -> Member:
    return Member(member_id, "agent-runs-consumer", "10.0.0.7", frozenset({0}), is_consumer=True, token=token)


async def ended(sessions: ProcessSessions, clock: Clock, *members: Member, after_s: float = TICK_S) -> list[str]:
    clock.now += after_s
    return [each.member_id for each in await sessions.ended(members)]


async def test_a_member_whose_lock_stays_free_has_ended(
    sessions: ProcessSessions, postgres: Sessions, clock: Clock
) -> None:
    # Given a member whose lock was seen held, when its lock is free, then it has ended after some looks, not at once,
    assert await ended(sessions, clock, member()) == []
    postgres.held.clear()
    assert [await ended(sessions, clock, member()) for _ in range(4)] == [[], [], [], ["other"]]
    # and a member that holds its lock again before that has not.
    postgres.held.add(OTHER)
    assert await ended(sessions, clock, member()) == []
    postgres.held.clear()
    assert await ended(sessions, clock, member()) == []


async def test_one_look_is_never_enough(sessions: ProcessSessions, postgres: Sessions, clock: Clock) -> None:
    # Given a process that is stopped after it saw a lock held, when it continues and the lock is free,
    await ended(sessions, clock, member())
    postgres.held.clear()
    # then it looks again first.
    assert await ended(sessions, clock, member(), after_s=60) == []


async def test_a_member_whose_lock_was_never_seen_held_has_not_ended(
    sessions: ProcessSessions, postgres: Sessions, clock: Clock
) -> None:
    # Given a member that writes to another database, and one of a version without a token,
    postgres.held.clear()
    others = member(), member("old", None)

    assert [await ended(sessions, clock, *others) for _ in range(10)] == [[]] * 10

    # and a member that joined again under another id, when the lock was seen held under the first one.
    postgres.held.add(OTHER)
    await ended(sessions, clock, member())
    postgres.held.clear()
    assert [await ended(sessions, clock, member("again")) for _ in range(10)] == [[]] * 10


async def test_nothing_counts_that_was_seen_over_an_earlier_session(
    sessions: ProcessSessions, postgres: Sessions, clock: Clock
) -> None:
    # Given a member whose lock was seen held, when PostgreSQL restarts, and only this process has a session again,
    await ended(sessions, clock, member())
    postgres.end_own()
    postgres.held.clear()
    # then the other one is not taken for ended, as long as it takes,
    assert [await ended(sessions, clock, member()) for _ in range(10)] == [[]] * 10
    # and this process holds its lock again.
    assert postgres.own == {OWN}


async def test_a_process_that_loses_its_session_again_and_again_locks_its_token_once_in_a_while(
    sessions: ProcessSessions, postgres: Sessions, clock: Clock
) -> None:
    # Given a process that has lost its session once, and locked its token again at once,
    await ended(sessions, clock)
    postgres.end_own()
    await ended(sessions, clock)
    assert postgres.own == {OWN}
    # when it loses its session again soon, then it does not lock the token until the interval is over.
    postgres.end_own()
    await ended(sessions, clock)
    assert postgres.own == set()
    await ended(sessions, clock, after_s=60)
    assert postgres.own == {OWN}


async def test_behind_a_connection_pooler_no_lock_is_taken_and_no_member_has_ended(
    sessions: ProcessSessions, postgres: Sessions, clock: Clock
) -> None:
    postgres.reported_pid = 12345

    await ended(sessions, clock, member())
    postgres.held.clear()

    assert [await ended(sessions, clock, member()) for _ in range(10)] == [[]] * 10
    assert postgres.own == set()


@pytest.mark.parametrize("token", [0, 1, 2**63 - 1])
def test_a_token_is_decoded_from_the_user_data_that_it_was_encoded_as(token: int) -> None:
    assert decode_token(encode_token(token)) == token


@pytest.mark.parametrize("user_data", [None, b"", b"process=1", b"process=zzzzzzzzzzzzzzzz", b"\xff" * 16])
def test_user_data_of_other_applications_has_no_token(user_data: bytes | None) -> None:
    assert decode_token(user_data) is None
