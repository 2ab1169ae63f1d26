"""A call that the agent makes in a replay."""

from typing import Any, Literal, Self

import msgspec

from agent_runs.codec import strict_json
from agent_runs.codec.canonical_json import text_of


class Request(msgspec.Struct, frozen=True):
    """A request of the agent: a call of a model or of a tool.

    Attributes:
        kind: `llm` or `tool`.
        name: the model or the tool.
        content: the prompts as text, by `system_prompt` and `user_prompt`; or the arguments of the tool.
        key: the key by which the request is compared.
        recorded_name: the name of the tool in the recording, if it is another one.
        lane: the name of the sequence of model calls that the request belongs to, if the agent gives one.
    """

    kind: Literal["llm", "tool"]
    name: str
    content: Any
    key: str
    lane: str | None = None
    recorded_name: str | None = None

    @property
    def sought_name(self) -> str:
        """The name that a recorded call of it has."""
        return self.recorded_name or self.name

    def kept(self) -> Self:
        """Return the request with its arguments as they are now: the agent may change them after the call."""
        if self.kind == "llm" or not isinstance(self.content, dict | list):
            return self
        return msgspec.structs.replace(self, content=strict_json.parse(text_of(self.content).encode()))

    @property
    def text(self) -> str:
        """The request in words, at most some hundred characters."""
        if self.kind == "tool":
            recorded_as = f" (recorded as {self.recorded_name!r})" if self.recorded_name else ""
            return f"the tool {self.name!r}{recorded_as} with {shortened(text_of(self.content))}"
        return f"the model {self.name!r} with the user prompt {shortened(self.content['user_prompt'])!r}"


def shortened(text: str, most: int = 160) -> str:
    """Return a text with at most about `most` characters: its begin and its end."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[-most // 3 :]}"
