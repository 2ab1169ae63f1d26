"""What can go wrong in the library.

AgentRunsError
├── SettingsError      the environment: every bad setting at once, each with its remedy
├── UnreadableEvent    a message that the contract does not allow; keeps the message's bytes
│   ├── NotJson        not one JSON value (RFC 8259), or nested deeper than the contract's limit
│   └── InvalidEvent   JSON, but no event of the contract
└── Undelivered        inside the emitter, which tells nobody by raising
    ├── TooLargeForTopic   about one record, or a batch of several
    └── KafkaUnavailable   about the world: wait, then the same again
"""


class AgentRunsError(Exception):
    """Whatever this library raises."""


class SettingsError(AgentRunsError):
    """One or more settings cannot be used.

    Attributes:
        problems: one sentence for each, with the setting's name and what it should be.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnreadableEvent(AgentRunsError):
    """A message that is no event.

    Attributes:
        value: the message's exact bytes, so that whoever catches this can keep them.
    """

    def __init__(self, detail: str, value: bytes) -> None:
        super().__init__(detail)
        self.value = value


class NotJson(UnreadableEvent):
    """The bytes are not one JSON value."""


class InvalidEvent(UnreadableEvent):
    """The JSON breaks the message contract."""


class Undelivered(AgentRunsError):
    """Kafka has not acknowledged what was sent."""


class TooLargeForTopic(Undelivered):
    """The broker refuses a batch for its size."""


class KafkaUnavailable(Undelivered):
    """No broker answers, or none as it should; the topic is missing; we may not write to it."""
