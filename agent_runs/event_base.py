"""The types of the contract's fields, and `Event`: the base class of all events."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, UnsetType

Id = Annotated[str, Meta(min_length=1, max_length=255, description="At most 255 bytes; no NUL, no lone surrogate.")]
# Any JSON value, null included. `decode_event` returns it as Python objects; the service keeps it as bytes.
Json = Any
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset or Z.")]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
# Absent in nearly every message. UNSET, which encodes to nothing, keeps the messages of other tools as they are.
Role = str | None | UnsetType
MAX_LABELS = 32
LabelValue = Annotated[str, Meta(max_length=255, description="At most 255 bytes; no NUL, no lone surrogate.")]
Labels = Annotated[dict[Id, LabelValue], Meta(max_length=MAX_LABELS)]


class Event(Struct, kw_only=True, frozen=True, dict=True, tag_field="type"):
    """The fields that every event has.

    Attributes:
        id: unique within its run. Sending an event twice with the same id is safe: the service stores it once.
        parent_event_id: the id of the event of the same run that caused this one; null if the agent gives none.
        timestamp: when the event happened, by the agent's clock. The topic orders the events of a run, not this time.
    """

    id: Id
    parent_event_id: Id | None = None
    timestamp: Timestamp

    @property
    def type(self) -> str:
        """The event's `type`, such as `tool_requested`."""
        return str(self.__struct_config__.tag)

    @property
    def original(self) -> bytes | None:
        """The exact bytes that `decode_event` read; None for an event that was not decoded."""
        original: bytes | None = self.__dict__.get("original")
        return original

    @property
    def further_fields(self) -> dict[str, Json]:
        """The fields of a decoded message that the contract does not define for its type, by name.

        Empty for an event that was not decoded.
        """
        found: dict[str, Json] | None = self.__dict__.get("further_fields")
        if found is None:
            from agent_runs.codec import strict_json  # noqa: PLC0415  # the codec imports this module

            own_names = {"type", *self._own_fields()}
            message = strict_json.parse(self.original) if self.original is not None else {}
            found = {name: value for name, value in message.items() if name not in own_names}
            self.__dict__["further_fields"] = found
        return found

    def _own_fields(self) -> tuple[str, ...]:
        return self.__struct_fields__
