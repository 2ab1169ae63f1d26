"""Measures the page of the big run in Chromium: first paint, and memory after scrolling through the run."""

import os
import shutil
import time
from typing import Any, Final

from tests.bench.viewer.big_run import RUN

_STEPS: Final = 60  # of the scroll from the start of the run to its end
_FIRST: Final = ".event:not(.blank)"


def measure(port: int) -> dict[str, float] | None:
    """Return the times in milliseconds and the memory in MB; None if there is no Chromium, or no Playwright."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright  # not a dependency of the other benchmarks
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        _first_line_ms(page, port)  # fills the caches of the browser and of PostgreSQL
        first_line_ms = _first_line_ms(page, port)
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        session = page.context.new_cdp_session(page)
        for step in range(1, _STEPS + 1):
            page.evaluate("share => scrollTo(0, document.documentElement.scrollHeight * share)", step / _STEPS)
            page.wait_for_selector(_FIRST)
            page.wait_for_timeout(150)
        last = page.locator(".event .seq").last.inner_text()
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        browser.close()
        return {"paint_ms": paint, "first_line_ms": first_line_ms, "heap_mb": heap / 1e6, "last_event": float(last)}


def _first_line_ms(page: Any, port: int) -> float:
    """Load the page, and return how long it took until the first event was shown."""
    started = time.perf_counter()
    page.goto(f"http://127.0.0.1:{port}/runs/{RUN}", wait_until="commit")
    page.wait_for_selector(_FIRST)
    return (time.perf_counter() - started) * 1000
