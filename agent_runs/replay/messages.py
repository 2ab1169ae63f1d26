"""The text of a divergence: what was asked, what was recorded, the first difference, and what to write to go on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Any

from agent_runs.codec.canonical_json import text_of
from agent_runs.reader.event_text import count_text
from agent_runs.replay.differences import difference_of_calls, first_difference
from agent_runs.replay.matching import Matcher
from agent_runs.replay.requests import Request, shortened
from agent_runs.replay.units import Unit

_NAMED_CALLS = 10
_COMPARED_CANDIDATES = 20
_COMPARED_CHARACTERS = 2000
ANSWERED_SO_FAR = "Answered from the recording so far"
TO_GO_ON = "To go on"
_TIMES = {1: "once", 2: "twice"}


def missing_text(request: Request, matcher: Matcher, remedy: str) -> str:
    """Return the message for a request that no unserved recorded call answers.

    Args:
        request: what the agent asks for.
        matcher: the recorded calls.
        remedy: what to write to go on.
    """
    same = matcher.same_requests(request)
    if same:
        return _with_end([f"The agent asked for {request.text}. {_exhausted(same)}"], matcher, remedy)
    closest = closest_unit(request, matcher)
    if closest is None or (closest.name != request.sought_name and request.kind == "tool"):
        names = ", ".join(sorted({repr(unit.name) for unit in matcher.calls if unit.kind == request.kind})) or "none"
        kind = "model" if request.kind == "llm" else "tool"
        missing = f"The recorded run never calls a {kind} of this name. It calls: {names}."
        return _with_end([f"The agent asked for {request.text}. {missing}"], matcher, remedy)
    missing = "model call has the same prompts" if request.kind == "llm" else "call of this tool has the same arguments"
    lines = [f"The agent asked for {request.text}. No recorded {missing}."]
    is_served = any(unit is closest for unit in matcher.served)
    lines.append(f"Closest recorded call: {closest.text}{', used already' if is_served else ', not used yet'}.")
    if closest.name != request.sought_name or first_difference(closest.content, request.content):
        lines.append(f"First difference: {difference_of_calls(closest, request)}.")
    return _with_end(lines, matcher, remedy)


def _exhausted(same: list[Unit]) -> str:
    times = _TIMES.get(len(same), f"{len(same)} times")
    if any(unit.answer is None for unit in same):
        return f"The recorded run has this call {times}, but no answer: it ended before the answer, or waits for it."
    return f"The recorded run makes this call {times}; the agent has now made it {len(same) + 1} times."


def ambiguous_text(request: Request, candidates: Iterable[Unit], matcher: Matcher) -> str:
    """Return the message for a changed prompt that may belong to several recorded calls."""
    names = _names(f"{unit.text}, user prompt {shortened(unit.content['user_prompt'])!r}" for unit in candidates)
    lines = [
        f"The agent asked for {request.text}. No recorded call has the same system prompt and user prompt, and it is "
        f"not clear which one is meant, because the run has parallel parts{':' if names else '.'}",
        *names,
    ]
    remedy = (
        "name each parallel part, `run.llm(…, lane='NAME')`, record the run again, and use the same names in the "
        "replay; or make the prompt equal to the recorded one."
    )
    return _with_end(lines, matcher, remedy)


def equal_calls_text(request: Request, units: Iterable[Unit], matcher: Matcher, remedy: str) -> str:
    """Return the message for a call that the run made several times in parallel parts, with different answers."""
    line = (
        f"The agent asked for {request.text}. The recorded run makes this call in several parallel parts, with "
        "different answers, and it is not clear which one is meant, because the calls before it differ from the "
        "recorded ones:"
    )
    return _with_end([line, *_names(unit.text for unit in units)], matcher, remedy)


def _names(texts: Iterable[str]) -> list[str]:
    """Return a line for each recorded call, at most `_NAMED_CALLS`."""
    names = [f"- {text}" for text in texts]
    further = len(names) - _NAMED_CALLS
    return names if further <= 0 else [*names[:_NAMED_CALLS], f"- and {further} more"]


def other_model_text(request: Request, unit: Unit, matcher: Matcher, remedy: str) -> str:
    """Return the message for a changed prompt at the place of a recorded call of another model."""
    line = (
        f"The agent asked for {request.text}. No recorded model call has the same prompts, and the next recorded one "
        f"is of another model ({unit.text}), although the recorded run calls {request.name!r} too."
    )
    return _with_end([line], matcher, remedy)


def not_replayable_text(request: Request, unit: Unit, matcher: Matcher, remedy: str) -> str:
    """Return the message for an answer that is not what the model or tool returned."""
    line = (
        f"The agent asked for {request.text}. It is recorded ({unit.text}), but without the answer that the agent "
        "got: a mask has hidden a part of it, or it had an object that JSON cannot express."
    )
    return _with_end([line], matcher, remedy)


def unserved_text(units: Iterable[Unit]) -> str:
    """Return the message for recorded calls that the agent did not make."""
    names = "\n".join(f"- {unit.text}: {text_of(unit.content)[:200]}" for unit in units)
    return (
        f"The agent ended, but the recorded run has calls that it did not make:\n{names}\n"
        "To accept this: replay without `strict=True`. Then a model call with a changed prompt is answered, too."
    )


def first_of(divergences: Sequence[str]) -> str:
    """Return the message of the first divergence, which also says how many others there are."""
    further = len(divergences) - 1
    if not further:
        return divergences[0]
    return f"{divergences[0]}\n{count_text(further, 'more call')} raised a divergence: see `recording.report()`."


def closest_unit(request: Request, matcher: Matcher) -> Unit | None:
    """Return the recorded call that is most similar to a request: of the same name if there is one, unserved first."""
    units = [unit for unit in matcher.calls if unit.kind == request.kind]
    named = [unit for unit in units if unit.name == request.sought_name]
    unserved = set(matcher.unserved(request.kind))
    units = sorted(named or units, key=lambda unit: unit not in unserved)[:_COMPARED_CANDIDATES]
    asked = text_of(request.content)[:_COMPARED_CHARACTERS]

    def similarity(unit: Unit) -> float:
        return SequenceMatcher(None, text_of(unit.content)[:_COMPARED_CHARACTERS], asked, autojunk=False).quick_ratio()

    return max(units, key=similarity, default=None)


def served_text(matcher: Matcher) -> str:
    """Return how many recorded calls have been served."""
    served, all_calls = (Counter(unit.kind for unit in units) for units in (matcher.served, matcher.calls))
    last = f", the last one {matcher.served[-1].text}" if matcher.served else ""
    return (
        f"{ANSWERED_SO_FAR}: {served['llm']} of {all_calls['llm']} model calls, {served['tool']} of "
        f"{all_calls['tool']} tool calls{last}."
    )


def _with_end(lines: list[str], matcher: Matcher, remedy: str) -> str:
    return "\n".join([*lines, served_text(matcher), f"{TO_GO_ON}: {remedy}"])


def llm_remedy(matcher: Matcher, *, strict: bool) -> str:
    """Return what to write if the recording has no answer of a model."""
    calls = sum(unit.kind == "llm" for unit in matcher.calls)
    choices = ["`Recording(…, on_miss=function)`: the agent gets what `function(request)` returns."]
    if any(matcher.unserved("llm")):
        if strict:
            choices.insert(0, "Without `strict=True`: the recorded answer, although the prompt differs.")
    elif calls and matcher.calls[0].run_name is None:
        until = f"`Recording(…, until=NthLlmCall({calls}))`"
        choices.append(f"{until}: the real model answers the calls after the recorded ones.")
    return _listed(choices)


def tool_remedy(request: Request, matcher: Matcher, *, policy: Any) -> str:
    """Return what to write if the recording has no answer of a tool."""
    if policy == "live":
        return "pass the real function, `recording.tool(…, call=function)`: the policy of the tool is `live`."
    rule = f"`Recording(…, tools={{{request.name!r}: ToolRule({_own_arguments(request)}"
    choices = [
        f"{rule}on_miss='error')}})`: the agent sees a failed call.",
        f"{rule}on_miss=function)}})`: the agent gets what `function(request)` returns.",
        f"{rule}on_miss='live')}})`: the real tool is called, with its side effects.",
    ]
    if '{"$repr":' in text_of(request.content):
        key = f"{rule}key=function)}})`: calls are the same if `function(arguments)` returns the same. An argument is"
        choices.insert(0, f"{key} an object that JSON cannot express, and another object in each run.")
    if renamed := _name_before(request, matcher):
        choices.insert(0, f"{rule}recorded_as={renamed!r})}})`: the recorded answer, if {renamed!r} was renamed.")
    is_recorded = bool(matcher.same_requests(request))
    if not is_recorded and (ignorable := _changed_arguments(request, closest_unit(request, matcher))):
        choices.insert(0, f"{rule}ignore={ignorable!r})}})`: the recorded answer, although these arguments differ.")
    return _listed(choices)


def _own_arguments(request: Request) -> str:
    """Return the arguments that the rule of a tool has already, as far as a remedy must repeat them."""
    return "" if request.recorded_name is None else f"recorded_as={request.recorded_name!r}, "


def _name_before(request: Request, matcher: Matcher) -> str | None:
    """Return the recorded tool that a tool may have been before it was renamed.

    The recorded run does not call the tool, and one other tool is left with arguments of the same names.
    """
    asked = request.content
    if not asked or not isinstance(asked, dict) or any(unit.name == request.sought_name for unit in matcher.calls):
        return None
    names = {
        unit.name
        for unit in matcher.unserved("tool")
        if isinstance(unit.content, dict) and unit.content.keys() == asked.keys()
    }
    return names.pop() if len(names) == 1 else None


def _listed(choices: list[str]) -> str:
    return "\n".join(["one of these", *(f"- {choice}" for choice in choices)])


def _changed_arguments(request: Request, closest: Unit | None) -> tuple[str, ...]:
    """Return the arguments that differ from the closest recorded call of the same tool, if others are equal."""
    if closest is None or closest.name != request.sought_name:
        return ()
    recorded, asked = closest.content, request.content
    if not isinstance(recorded, dict) or not isinstance(asked, dict):
        return ()
    changed = [name for name in {**recorded, **asked} if recorded.get(name) != asked.get(name)]
    return tuple(changed) if len(changed) < len({**recorded, **asked}) else ()
