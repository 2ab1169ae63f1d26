"""Members of the consumer group, as its coordinator describes them."""

import re
import time
from secrets import randbits
from typing import Final, NamedTuple

_RANDOM_BITS: Final = 31  # with 32 bits of time, a token is a positive bigint
_UUID_LENGTH: Final = 36
_USER_DATA: Final = re.compile(rb"process=([0-9a-f]{16})")


class Member(NamedTuple):
    """A member of the consumer group.

    Attributes:
        member_id: the id that the coordinator gave it.
        client_id: the name that its Kafka client sends.
        host: the address from which it is connected, as the coordinator shows it.
        partitions: the partitions of the topic that are assigned to it.
        is_consumer: it is a consumer of Agent Runs, of any version, and not another application.
        token: the number that identifies its process; the token of a process that started later is greater. None if it
            sends none.
    """

    member_id: str
    client_id: str
    host: str
    partitions: frozenset[int]
    is_consumer: bool
    token: int | None = None

    @property
    def instance_id(self) -> str:
        """The group instance id of a static member. Of another member, its client id."""
        return self.member_id[: -_UUID_LENGTH - 1]


def new_token() -> int:
    """Return a token for this process: the time in seconds, and a random number."""
    return int(time.time()) << _RANDOM_BITS | randbits(_RANDOM_BITS)


def encode_token(token: int) -> bytes:
    """Return the token, of at most 63 bits, as the user data that a member sends to the group's coordinator."""
    return b"process=%016x" % token


def decode_token(user_data: bytes | None) -> int | None:
    """Return the token in a member's user data; None if it has none."""
    match = _USER_DATA.fullmatch(user_data or b"")
    return int(match[1], 16) if match else None
