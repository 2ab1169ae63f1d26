"""The text of a divergence: what was asked, what was recorded, the first difference, and what to write to go on."""

from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from agent_runs.codec.canonical_json import text_of
from agent_runs.replay.differences import first_difference
from agent_runs.replay.matching import Matcher
from agent_runs.replay.requests import Request
from agent_runs.replay.units import Unit

_COMPARED_CANDIDATES = 20
_COMPARED_CHARACTERS = 2000
_TIMES = {1: "once", 2: "twice"}


def missing_text(request: Request, matcher: Matcher) -> str:
    """Return the message for a request that no unserved recorded call answers."""
    same = matcher.same_requests(request)
    if same:
        return _exhausted(request, same, matcher)
    lines = [f"The agent asked for {request.text}. The recorded run has no such call."]
    closest = closest_unit(request, matcher)
    if closest is None:
        lines.append(f"It has no call of the {'model' if request.kind == 'llm' else 'tool'} {request.name!r} at all.")
    else:
        is_served = any(unit is closest for unit in matcher.served)
        lines.append(f"Closest recorded call: {closest.text}{', already served' if is_served else ', not served yet'}.")
        if closest.name != request.name:
            lines.append(f"First difference: recorded the name {closest.name!r}, asked {request.name!r}.")
        elif difference := first_difference(closest.content, request.content):
            lines.append(f"First difference: {difference}.")
    return _with_end(lines, request, matcher)


def _exhausted(request: Request, same: list[Unit], matcher: Matcher) -> str:
    times = _TIMES.get(len(same), f"{len(same)} times")
    unanswered = [unit for unit in same if unit.answer is None]
    if unanswered:
        text = f"It was recorded {times}, but the run has no answer: it ended before, or waits for it."
    else:
        text = f"It was recorded {times}, and all of its answers have been served: the agent asks once more."
    return _with_end([f"The agent asked for {request.text}. {text}"], request, matcher)


def ambiguous_text(request: Request, candidates: Iterable[Unit], matcher: Matcher) -> str:
    """Return the message for a changed prompt that may belong to several recorded calls."""
    names = "; ".join(unit.text for unit in candidates) or "model calls of another task"
    lines = [
        f"The agent asked for {request.text}. The prompt differs from all recorded ones, and it is not known which "
        f"recorded call is meant: {names}.",
        "To go on: give each parallel part of the agent a name, `lane=…`, when recording and when replaying; or make "
        "the prompts equal to the recorded ones.",
    ]
    return "\n".join([*lines, served_text(matcher)])


def not_replayable_text(request: Request, unit: Unit, matcher: Matcher) -> str:
    """Return the message for an answer that is not what the model or tool returned."""
    lines = [
        f"The agent asked for {request.text}. It is recorded ({unit.text}), but its answer was masked, or it stands "
        "for an object that JSON cannot express.",
        _remedy(request, None),
    ]
    return "\n".join([*lines, served_text(matcher)])


def unserved_text(units: Iterable[Unit]) -> str:
    """Return the message for recorded calls that the agent did not make."""
    names = "\n".join(f"- {unit.text}: {text_of(unit.content)[:200]}" for unit in units)
    return (
        f"The agent ended without these calls of the recorded run:\n{names}\nTo accept this: replay without `strict`."
    )


def closest_unit(request: Request, matcher: Matcher) -> Unit | None:
    """Return the recorded call that is most similar to a request: of the same name if there is one, unserved first."""
    units = [unit for unit in matcher.calls if unit.kind == request.kind]
    named = [unit for unit in units if unit.name == request.name]
    unserved = set(matcher.unserved(request.kind))
    units = sorted(named or units, key=lambda unit: unit not in unserved)[:_COMPARED_CANDIDATES]
    asked = text_of(request.content)[:_COMPARED_CHARACTERS]

    def similarity(unit: Unit) -> float:
        return SequenceMatcher(None, text_of(unit.content)[:_COMPARED_CHARACTERS], asked, autojunk=False).quick_ratio()

    return max(units, key=similarity, default=None)


def served_text(matcher: Matcher) -> str:
    """Return how many recorded calls have been served."""
    served, all_calls = (Counter(unit.kind for unit in units) for units in (matcher.served, matcher.calls))
    last = f" The last was {matcher.served[-1].text}." if matcher.served else ""
    return (
        f"Served so far: {served['llm']} of {all_calls['llm']} model calls, {served['tool']} of {all_calls['tool']} "
        f"tool calls.{last}"
    )


def _with_end(lines: list[str], request: Request, matcher: Matcher) -> str:
    return "\n".join([*lines, served_text(matcher), _remedy(request, closest_unit(request, matcher))])


def _remedy(request: Request, closest: Unit | None) -> str:
    if request.kind == "llm":
        return (
            "To go on: `Recording(…, until=…)` calls the model from there on, or `on_miss=function` answers the "
            "request. Without `strict`, a changed prompt is answered if it is clear which recorded call is meant."
        )
    ignorable = _changed_arguments(request, closest)
    rule = f"`tools={{{request.name!r}: ToolRule(ignore={ignorable!r})}}`"
    ignore = f"{rule} does not compare these arguments, " if ignorable else ""
    return (
        f'To go on: {ignore}`ToolRule(on_miss="live")` calls the tool, `"error"` lets the agent see a failed call, '
        "and a function answers it."
    )


def _changed_arguments(request: Request, closest: Unit | None) -> tuple[str, ...]:
    """Return the arguments that differ from the closest recorded call of the same tool, if others are equal."""
    if closest is None or closest.name != request.name:
        return ()
    recorded, asked = closest.content, request.content
    if not isinstance(recorded, dict) or not isinstance(asked, dict):
        return ()
    changed = [name for name in {**recorded, **asked} if recorded.get(name) != asked.get(name)]
    return tuple(changed) if len(changed) < len({**recorded, **asked}) else ()
