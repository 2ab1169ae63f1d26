"""The calls that an agent makes through a recording: of models and of tools, synchronous and asynchronous."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.decorators import name_of
from agent_runs.emitter.instrument import Recorder, instrument
from agent_runs.replay.replay_block import ReplayBlock
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import ToolRule
from agent_runs.replay.units import llm_key

_NO_RULE = ToolRule()


class AgentCalls(ReplayBlock):
    """The base class of `Recording`: makes a `Request` of each call, and answers it with `_answer`.

    Args:
        rules: the rules of single tools by name.
    """

    def __init__(self, rules: Mapping[str, ToolRule]) -> None:
        self._rules = rules
        # By the name in the recording: recorded calls and those of the agent are compared by the same rule.
        renamed = {rule.recorded_as: rule for rule in rules.values() if rule.recorded_as is not None}
        self._rules_of_recorded = {**renamed, **{name: rule for name, rule in rules.items() if not rule.recorded_as}}

    def llm(  # the fields of the event
        self,
        *,
        model: str,
        system_prompt: Any = "",
        user_prompt: Any,
        call: Callable[[], Any] | None = None,
        lane: str | None = None,
    ) -> Any:
        """Return the recorded answer of a model, as text; or what `call` returns if the model is called.

        Args:
            model: the name of the model.
            system_prompt: text, or a value that was recorded as canonical JSON.
            user_prompt: as `system_prompt`.
            call: calls the real model; needed after `until` only.
            lane: the name of the sequence of calls that this one belongs to, if the run was recorded with `lane=`.

        Raises:
            RecordedFailure: the recorded call failed.
            Divergence: the recording has no answer.
        """
        return self._answer(self._llm_request(model, system_prompt, user_prompt, lane), call)

    async def llm_async(  # the fields of the event
        self,
        *,
        model: str,
        system_prompt: Any = "",
        user_prompt: Any,
        call: Callable[[], Any] | None = None,
        lane: str | None = None,
    ) -> Any:
        """Do the same as `llm`; `call` may return an awaitable."""
        return await _awaited(self._answer(self._llm_request(model, system_prompt, user_prompt, lane), call))

    def tool(self, name: str, arguments: Any = None, *, call: Callable[[], Any] | None = None) -> Any:
        """Return the recorded result of a tool; or what `call` returns if the tool's policy is `live`.

        Args:
            name: the name of the tool.
            arguments: its arguments, as they were recorded.
            call: calls the real tool; needed for the policy `live` only.

        Raises:
            RecordedFailure: the recorded call failed, or is missing and the policy is `error`.
            Divergence: the recording has no answer.
        """
        return self._answer(self._tool_request(name, arguments), call)

    async def tool_async(self, name: str, arguments: Any = None, *, call: Callable[[], Any] | None = None) -> Any:
        """Do the same as `tool`; `call` may return an awaitable."""
        return await _awaited(self._answer(self._tool_request(name, arguments), call))

    def replayed_tool(self, function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
        """Return a function that answers from the recording in place of `function`, which may be a coroutine function.

        The tool has the function's name, and its arguments are those of the call by name: as `@tool` records them.
        """
        tool_name = name or name_of(function)

        def start(arguments: dict[str, Any]) -> Recorder:
            recorder = Recorder()
            recorder.answer = lambda call: self.tool(tool_name, arguments, call=call)
            return recorder

        return instrument(function, start)

    def _tool_key(self, name: str, arguments: Any) -> str:
        return self._rules_of_recorded.get(name, _NO_RULE).key_of(arguments)

    def _llm_request(self, model: str, system_prompt: Any, user_prompt: Any, lane: str | None) -> Request:
        content = {"system_prompt": text_of(system_prompt), "user_prompt": text_of(user_prompt)}
        return Request("llm", model, content, llm_key(content), lane)

    def _tool_request(self, name: str, arguments: Any) -> Request:
        recorded_as = self._rules.get(name, _NO_RULE).recorded_as
        return Request("tool", name, arguments, self._tool_key(recorded_as or name, arguments), None, recorded_as)

    def _answer(self, request: Request, call: Callable[[], Any] | None) -> Any:
        """Return the answer to a request, which may be awaitable. `call` calls the real model or tool."""
        raise NotImplementedError


async def _awaited(value: Any | Awaitable[Any]) -> Any:
    return await value if isawaitable(value) else value
