"""Writes a run as one HTML page that works from a disk: the page of the viewer, with the events inside.

The page has the templates, the style and the scripts of the viewer. Three modules are replaced: what is fetched from
the API comes from blocks of the file. A block is gzip in base64, so that no payload can end it. A policy in the page
allows its own script and its own style, by their hashes, and no request.
"""

import base64
import gzip
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cache
from typing import BinaryIO, Final
from urllib.parse import quote
from xml.etree.ElementTree import Element

import msgspec

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.escaping import escape_line
from agent_runs.reader import RunSource, RunSummary
from agent_runs.reader.event_text import count_text
from agent_runs.reader.run_scan import Usage
from agent_runs.run_file import PageTooLarge, RunNotFound
from agent_runs.times import time_text
from viewer.bundle import STATIC, bundle
from viewer.event_lines import line_of
from viewer.html import document, el
from viewer.layout import bar_buttons, keys_dialog
from viewer.offline_timeline import StepFinder, timeline_content
from viewer.parameters import Address
from viewer.prompt_page import prompt_content
from viewer.run_page import run_content

_REPLACED: Final = {
    "api.js": "offline_api.js",
    "event_links.js": "offline_links.js",
    "answer.js": "offline_live.js",
    "follow.js": "offline_live.js",
}
_BLOCK_BYTES: Final = 512 * 1024  # before compression: what the browser unpacks to show one event
# Of the page. Chromium opens one of 500 MB in 10 s with 730 MB of memory; larger ones were not tried.
MAX_BYTES: Final = 500_000_000
_END: Final = b"</body></html>"


async def write_page(source: RunSource, run_id: str, file: BinaryIO) -> int:
    """Write the page of a run, and return the number of its events.

    Raises:
        RunNotFound: there is no such run.
        PageTooLarge: the page would be larger than `MAX_BYTES`.
    """
    run = await source.get_summary(run_id)
    if run is None:
        raise RunNotFound(run_id)
    *facts, events = await run_content(source, run, [])
    timeline = el("details", el("summary", "Timeline"), id="timeline", class_="tree")
    root = document(_page(run, [*facts, timeline, events]))
    written = file.write(root.removesuffix(_END))
    usages: list[object] = []
    steps = StepFinder(run.id)
    blocks = {
        "lines": _lines(source, run, steps),
        "events": _payloads(source, run),
        "prompts": _prompts(source, run, usages),
        "usage": _usage(run, usages),
        "timeline": _timeline(run, steps),
    }
    for name, items in blocks.items():
        async for block in _blocks(name, items):
            written += file.write(block)
            if written > MAX_BYTES:
                raise PageTooLarge(run_id, MAX_BYTES)
    file.write(_END)
    return run.event_count


def _page(run: RunSummary, content: object) -> Element:
    script, style, icon = _assets()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{escape_line(run.id)} · Agent Runs"),
        el("link", rel="icon", href=icon, type="image/svg+xml"),
    )
    for tag, text in (("style", style), ("script", script)):
        made = el(tag, type="module" if tag == "script" else None)
        made.text = text  # not escaped: HTML takes the content of both as it is
        head.append(made)
    exported = f"{count_text(run.event_count, 'event')}, exported {time_text(datetime.now(UTC))}"
    bar = el(
        "header",
        el("span", el("span", class_="logo", aria_hidden="true"), "Agent Runs", class_="brand"),
        el("span", exported, class_="dim"),
        bar_buttons(),
        class_="bar",
    )
    main = el("main", content, id="main", tabindex="-1")  # type: ignore[arg-type]
    _without_server(main, Address(run.id).page())
    return el("html", head, el("body", bar, main, keys_dialog()), lang="en")


def _without_server(element: Element, page: str) -> None:
    """Remove what leads to the viewer: addresses of links, links to other views, and forms that send something."""
    for child in list(element):
        href = child.get("href", "")
        if child.tag == "nav" or (child.tag == "form" and child.get("method") == "post"):
            element.remove(child)
            continue
        if href.startswith("/compare?"):
            element.remove(child)
            continue
        if href.startswith((f"{page}?", f"{page}#")):
            child.set("href", href.removeprefix(page))
        elif href.startswith("/"):
            del child.attrib["href"]
        _without_server(child, page)


@cache
def _assets() -> tuple[str, str, str]:
    """Return the script, the style and the address of the icon."""
    icon = f"data:image/svg+xml,{quote((STATIC / 'icon.svg').read_text(encoding='utf-8'))}"
    style = (STATIC / "viewer.css").read_text(encoding="utf-8").replace("/static/icon.svg", icon)
    return bundle(("page.js", "offline_timeline.js", "transcript.js"), _REPLACED), style, icon


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


async def _lines(source: RunSource, run: RunSummary, steps: StepFinder) -> AsyncIterator[tuple[int, bytes]]:
    """Iterate over the lines of the events; add each event to `steps`."""
    async for stored in source.get_run_events(run.id, until=run.event_count - 1):
        steps.add(stored)
        yield stored.seq, dump_struct(line_of(stored))


async def _payloads(source: RunSource, run: RunSummary) -> AsyncIterator[tuple[int, bytes]]:
    async for stored in source.get_run_events(run.id, until=run.event_count - 1):
        yield stored.seq, stored.to_json()


async def _prompts(source: RunSource, run: RunSummary, usages: list[object]) -> AsyncIterator[tuple[int, bytes]]:
    """Iterate over the contents of the pages of the prompts; add the usage of each call to `usages`."""
    async for call in source.llm_calls(run.id):
        usages.append(call.usage)
        content = el("div", prompt_content(call, is_whole=call.number == 1))
        yield call.seq, msgspec.json.encode(_tree(content))


async def _usage(run: RunSummary, usages: list[object]) -> AsyncIterator[tuple[int, bytes]]:
    numbers: dict[str, float] = {}
    for usage in usages:
        for name, number in usage.items() if isinstance(usage, dict) else ():
            if isinstance(number, int | float) and not isinstance(number, bool):
                numbers[name] = numbers.get(name, 0) + number
    yield 0, dump_struct(Usage(calls=len(usages), numbers=numbers, searched_to=run.event_count - 1, is_complete=True))


async def _timeline(run: RunSummary, steps: StepFinder) -> AsyncIterator[tuple[int, bytes]]:
    content = el("div", timeline_content(run, steps.timeline()))
    _without_server(content, Address(run.id).page())
    yield 0, msgspec.json.encode(_tree(content))


def _tree(element: Element) -> list[object]:
    """Return an element as JSON: its tag, its attributes, and its children, which are elements and texts."""
    children: list[object] = [element.text] if element.text else []
    for child in element:
        children.append(_tree(child))
        if child.tail:
            children.append(child.tail)
    return [element.tag, dict(element.attrib), *children]


async def _blocks(name: str, items: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
    """Join the JSON of numbered items to elements of about the same size."""
    texts: list[bytes] = []
    first, size = 0, 0
    async for seq, text in items:
        if not texts:
            first = seq
        texts.append(b"[%d,%s]" % (seq, text))
        size += len(text)
        if size >= _BLOCK_BYTES:
            yield _block(name, first, texts)
            texts, size = [], 0
    if texts:
        yield _block(name, first, texts)


def _block(name: str, first: int, texts: list[bytes]) -> bytes:
    packed = base64.b64encode(gzip.compress(b"\n".join(texts), compresslevel=6, mtime=0))
    return b'<script type="text/plain" data-block="%s" data-first="%d">%s</script>\n' % (name.encode(), first, packed)
