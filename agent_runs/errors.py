"""The exceptions of the library.

AgentRunsError
├── SettingsError      settings are missing or invalid; lists every problem
├── UnreadableEvent    a message that breaks the contract; keeps the message's bytes
│   ├── NotJson        not one JSON value (RFC 8259), or nested deeper than the contract's limit
│   └── InvalidEvent   JSON, but not an event of the contract
└── Undelivered        raised inside the emitter only; the emitter never raises to the agent
    ├── TooLargeForTopic   a batch exceeds the topic's size limit: smaller batches are sent; a single record is dropped
    └── KafkaUnavailable   no broker accepts records: the emitter waits and sends the same records again
"""


class AgentRunsError(Exception):
    """Base class of all exceptions that this library defines."""


class SettingsError(AgentRunsError):
    """One or more settings are missing or invalid.

    Attributes:
        problems: one sentence per problem: the setting's name, what is wrong, and the allowed values if they are few.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnreadableEvent(AgentRunsError):
    """A message is not an event of the contract. `str()` of the exception is the detail.

    Attributes:
        value: the exact bytes of the message, so that the caller can store them.
    """

    def __init__(self, detail: str, value: bytes) -> None:
        super().__init__(detail)
        self.value = value


class NotJson(UnreadableEvent):
    """The bytes are not one JSON value in UTF-8, or arrays and objects are nested more than 512 deep."""


class InvalidEvent(UnreadableEvent):
    """The JSON value breaks the message contract."""


class Undelivered(AgentRunsError):
    """Kafka has not acknowledged a batch."""


class TooLargeForTopic(Undelivered):
    """The broker refuses a batch because it exceeds the topic's `max.message.bytes`."""


class KafkaUnavailable(Undelivered):
    """No broker accepts records: none answers, the topic does not exist, or the principal may not write to it."""
