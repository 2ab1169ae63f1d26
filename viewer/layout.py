"""The frame of every page: the head, the bar at the top, and the list of keys."""

from typing import Final
from xml.etree.ElementTree import Element

from agent_runs.escaping import escape_line
from agent_runs.status import RunStatus
from viewer.bundle import modules_of
from viewer.html import Child, document, el

# Each status has a shape of its own, so that it can be told without its colour.
_SHAPES: Final = {
    RunStatus.RUNNING: "M8 1.5a6.5 6.5 0 1 1-6.5 6.5M8 5a3 3 0 1 0 3 3",
    RunStatus.WAITING: "M8 1.5 14.5 8 8 14.5 1.5 8ZM6.3 6v4M9.7 6v4",
    RunStatus.COMPLETED: "M14.5 8a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0ZM5 8.2l2.2 2.2L11 6",
    RunStatus.FAILED: "M2 2h12v12H2ZM5.5 5.5l5 5M10.5 5.5l-5 5",
}
_PAGES: Final = (("Runs", "/"), ("Inbox", "/inbox"), ("Operations", "/operations"))
_KEYS: Final = (
    ("j", "next row"),
    ("k", "row before"),
    ("Enter", "open the row"),
    ("/", "go to the filter or search"),
    ("n", "next prompt, page or hit"),
    ("p", "prompt, page or hit before"),
    ("e", "next failure of the run"),
    ("E", "failure before"),
    ("f", "fold tool calls"),
    ("t", "times in UTC or local"),
    ("+ −", "zoom the timeline"),
    ("g", "first row"),
    ("G", "last row"),
    ("Esc", "close"),
    ("?", "this list"),
)


def page(title: str, *content: Child, script: str | None = None, refresh_s: int | None = None) -> bytes:
    """Return a page.

    Args:
        title: its title.
        content: what `<main>` holds.
        script: the name of its module in `static`.
        refresh_s: load the page again after so many seconds.
    """
    scripts = [f"{name}.js" for name in ("page", script) if name]
    # Otherwise the browser learns what a module imports only when it has it: three round trips before the first event.
    needed = dict.fromkeys(name for each in scripts for name in modules_of(each) if name not in scripts)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", http_equiv="refresh", content=refresh_s) if refresh_s else None,
        el("title", f"{escape_line(title)} · Agent Runs"),  # it has no elements, so no `<span>` of an escape
        el("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/viewer.css"),
        [el("link", rel="modulepreload", href=f"/static/{name}") for name in needed],
        # The first one before the first paint, so that times in the zone of the browser are not first shown in UTC.
        [
            el("script", type="module", src=f"/static/{name}", blocking="render" if name == scripts[0] else None)
            for name in scripts
        ],
    )
    skip = el("a", "Skip to the content", href="#main", class_="skip")
    body = el("body", skip, _bar(title), el("main", *content, id="main", tabindex="-1"), keys_dialog())
    return document(el("html", head, body, lang="en"))


def _bar(title: str) -> Element:
    box = el("input", name="text", placeholder="Find", aria_label="Find", spellcheck="false", autocomplete="off")
    return el(
        "header",
        el("a", el("span", class_="logo", aria_hidden="true"), "Agent Runs", href="/", class_="brand"),
        el(
            "nav",
            [el("a", name, href=href, aria_current="page" if name == title else None) for name, href in _PAGES],
            aria_label="Pages",
        ),
        el("form", box, action="/find", role="search", aria_label="Find", class_="find"),
        bar_buttons(),
        class_="bar",
    )


def bar_buttons() -> Element:
    """Return the buttons of the bar: in which zone times are shown, and the list of keys."""
    return el(
        "span",
        el("button", "UTC", type="button", id="time-zone"),
        el("button", "?", type="button", id="show-keys", aria_label="Keyboard", title="Keyboard"),
        class_="buttons",
    )


def status_badge(status: RunStatus) -> Element:
    """Return a status as its shape and its name."""
    shape = el("svg", el("path", d=_SHAPES[status]), viewBox="0 0 16 16", aria_hidden="true")
    return el("span", shape, status.value, class_=f"status {status.value}")


def facts(*pairs: tuple[str, Child]) -> Element:
    """Return names and values as a list; a value of None is left out."""
    return el(
        "dl",
        [el("div", el("dt", name), el("dd", value)) for name, value in pairs if value is not None],
        class_="facts",
    )


def keys_dialog() -> Element:
    """Return the list of keys, which the script `page` shows."""
    rows = [el("div", el("dt", el("kbd", key)), el("dd", meaning)) for key, meaning in _KEYS]
    return el(
        "dialog",
        el("h2", "Keyboard", id="keys-title"),
        el("dl", rows),
        el("form", el("button", "Close", type="submit"), method="dialog"),
        id="keys",
        aria_labelledby="keys-title",
    )
