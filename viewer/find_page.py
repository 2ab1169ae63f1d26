"""The page that finds runs by a text: the beginning of an id, an agent or a session, or a part of an error."""

from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agent_runs.escaping import escape_line
from agent_runs.reader import Found, RunSummary
from viewer.api import reader_of
from viewer.html import Child, el, time_element
from viewer.layout import page, status_badge
from viewer.parameters import Address, Parameters, with_query


async def find_page(request: Request) -> Response:
    """Lead to the run of this id, or return the page with what the text may stand for."""
    text = Parameters(request, ("text",)).text("text") or ""
    if text and await reader_of(request).get_summary(text) is not None:
        return RedirectResponse(Address(text).page(), 303)
    found = await reader_of(request).find(text) if text else Found(runs=[], agents=[], sessions=[], failures=[])
    title = f"Found for {text}" if text else "Find"
    return HTMLResponse(page(title, el("h1", title), _results(found) or _nothing(text), script="find"))


def _results(found: Found) -> list[Element]:
    groups: tuple[tuple[str, list[Element]], ...] = (
        ("Runs whose id begins with it", [_run(run, None) for run in found.runs]),
        ("Agents", [_name("agent", name) for name in found.agents]),
        ("Sessions", [_name("session", name) for name in found.sessions]),
        ("Recent failures whose error has it", [_run(each.run, each.error) for each in found.failures]),
    )
    return [el("section", el("h2", name), el("ul", items, class_="found")) for name, items in groups if items]


def _nothing(text: str) -> Element:
    if not text:
        return el("p", "Type the beginning of the id of a run, an agent or a session, or a part of an error.")
    return el(
        "p",
        "No run, agent or session begins with it, and none of the 200 newest failures has it in its error. The list of "
        "runs can be filtered by label and time, the page of a run can be searched.",
        class_="dim",
    )


def _name(parameter: str, name: str) -> Element:
    return el("li", el("a", name, href=with_query("/", [(parameter, name)]), class_="row-link"))


def _run(run: RunSummary, error: str | None) -> Element:
    parts: list[Child] = [
        status_badge(run.status),
        el("a", run.id, href=Address(run.id).page(), title=escape_line(run.id), class_="row-link"),
        el("span", run.agent if error is None else error, class_="dim"),
        time_element(run.created_at),
    ]
    return el("li", parts)
