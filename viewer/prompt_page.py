"""The page of a call of a language model: its prompt as a conversation, and the difference to the prompt before."""

from typing import Any, Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agent_runs.codec.canonical_json import text_of
from agent_runs.reader import LlmCall
from agent_runs.reader.event_text import count_text
from viewer.api import reader_of, summary_of
from viewer.calls import FoundCall, find_call, number_of_call
from viewer.errors import Failure
from viewer.html import Child, both_times, el
from viewer.layout import facts, page
from viewer.parameters import Address, Parameters, path_number, with_query
from viewer.texts import shown_change, shown_prompt, shown_text

_VIEWS: Final = ("changes", "whole")
_MAX_CHANGES: Final = 500


async def prompt_page(request: Request) -> Response:
    """Return the page of a call."""
    view = Parameters(request, ("view",)).text("view") or _VIEWS[0]
    if view not in _VIEWS:
        raise Failure(400, f"view: must be one of {', '.join(_VIEWS)}.")
    run = await summary_of(request)
    found = await find_call(reader_of(request), run.id, path_number(request, "number", 1))
    call, address = found.call, Address(run.id)
    is_whole = view == "whole" or call.number == 1
    return HTMLResponse(
        page(
            f"Prompt {call.number} of {run.id}",
            _heading(found, address),
            _views(address, call, view) if call.number > 1 else None,
            el("div", prompt_content(call, is_whole=is_whole), class_="call"),
            script="prompt",
        )
    )


def prompt_content(call: LlmCall, *, is_whole: bool) -> list[Child]:
    """Return the prompt of a call, or what is new in it, and its answer."""
    return [_whole(call) if is_whole else _changes(call), _answer(call)]


async def prompt_of_event(request: Request) -> Response:
    """Redirect to the page of the call that an event is."""
    Parameters(request, ())
    run = await summary_of(request)
    number = await number_of_call(reader_of(request), run.id, path_number(request, "seq", 0))
    return RedirectResponse(Address(run.id).page(f"/calls/{number}"), 307)


def _heading(found: FoundCall, address: Address) -> Element:
    call = found.call
    before = _neighbour("Previous", "prev", address, call.number - 1) if call.number > 1 else None
    after = _neighbour("Next", "next", address, call.number + 1) if found.has_next else None
    api = address.api(f"/calls/{call.number}")
    return el(
        "section",
        el("nav", el("a", address.run_id, href=address.page()), aria_label="Run", class_="crumb"),
        el("div", el("h1", f"Prompt {call.number}"), el("nav", before, after, aria_label="Prompts"), class_="title"),
        facts(
            ("Model", call.model),
            ("Event", el("a", str(call.seq), href=address.page(f"#{call.seq}"))),
            ("Time", both_times(call.created_at)),
            ("Tokens", _usage(call.usage)),
            (
                "JSON",
                [el("a", "Open", href=api), " ", el("button", "Copy", type="button", class_="copy", data_copy=api)],
            ),
        ),
        class_="heading",
    )


def _neighbour(label: str, rel: str, address: Address, number: int) -> Element:
    return el("a", label, href=address.page(f"/calls/{number}"), rel=rel, class_="button")


def _usage(usage: Any) -> str | None:
    if isinstance(usage, dict) and all(isinstance(value, int) for value in usage.values()):
        return ", ".join(f"{value:,} {name.removesuffix('_tokens').replace('_', ' ')}" for name, value in usage.items())
    return None if usage is None else text_of(usage)


def _views(address: Address, call: LlmCall, view: str) -> Element:
    here = address.page(f"/calls/{call.number}")
    labels = {"changes": f"Difference to prompt {call.number - 1}", "whole": "Whole prompt"}
    return el(
        "nav",
        [
            el("a", label, href=with_query(here, [("view", name)]), aria_current="page" if name == view else None)
            for name, label in labels.items()
        ],
        class_="tabs",
        aria_label="View",
    )


def _whole(call: LlmCall) -> list[Child]:
    return [
        el("section", el("h2", "System prompt"), shown_prompt(call.system_prompt), class_="prompt"),
        el("section", el("h2", "User prompt"), shown_prompt(call.user_prompt), class_="prompt"),
    ]


def _answer(call: LlmCall) -> Element:
    if call.raw_response is None:
        return el("section", el("h2", "Error"), shown_text(call.error or ""), class_="prompt failure")
    return el("section", el("h2", "Answer"), shown_prompt(call.raw_response), class_="prompt answer")


def _changes(call: LlmCall) -> Element:
    if not call.changes:
        text = f"The prompt is the same as prompt {call.number - 1}."
        return el("section", el("p", text, class_="dim"), class_="prompt")
    more = len(call.changes) - _MAX_CHANGES
    return el(
        "section",
        el("h2", f"{count_text(len(call.changes), 'difference')} to prompt {call.number - 1}"),
        [shown_change(change) for change in call.changes[:_MAX_CHANGES]],
        el("p", f"{more:,} more differences are in the JSON.", class_="dim") if more > 0 else None,
        class_="prompt",
    )
