"""Takes pictures of the pages of the viewer, with the runs of `tests.support.demo_runs`.

    python -m tests.browser.screenshots DIRECTORY [--docs] [--only PAGE ...]

Without `--docs`: each page at 400, 1,280 and 2,560 pixels, light and dark, to look at after a change of the style. With
it, the few pictures of README.md and docs/viewer.md. It starts a PostgreSQL of its own, and needs Chromium.
"""

import argparse
import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from playwright.async_api import Browser, Page, async_playwright

from deploy.local import PostgreSQL, Viewer
from tests.browser.conftest import chromium
from tests.support.demo_runs import BOOKING, REFUND, REPLAY, RESEARCH, TRIP, insert_demo_runs
from tests.support.stored_runs import START

PAGES: Final = {
    "runs": "/",
    "runs-failed": "/?status=failed",
    "run": f"/runs/{BOOKING}#5",
    "run-waiting": f"/runs/{REFUND}",
    "run-failed": f"/runs/{TRIP}#4",
    "run-tree": f"/runs/{RESEARCH}",
    "prompt": f"/runs/{BOOKING}/calls/3",
    "prompt-whole": f"/runs/{BOOKING}/calls/3?view=whole",
    "timeline": f"/runs/{BOOKING}/timeline",
    "timeline-tree": f"/runs/{RESEARCH}/timeline",
    "compare": f"/compare?a={BOOKING}&b={REPLAY}",
    "inbox": "/inbox",
    "operations": "/operations",
    "missing": "/runs/none",
}
WIDTHS: Final = {400: 850, 1280: 850, 2560: 1300}
# The pictures of the documentation: the page, light or dark, and the size.
DOCS: Final = {
    "runs": ("light", 1280, 720),
    "run": ("dark", 1280, 850),
    "prompt": ("light", 1280, 720),
    "timeline-tree": ("dark", 1280, 520),
    "compare": ("light", 1280, 880),
    "inbox": ("light", 1280, 520),
}
Take: TypeAlias = Callable[[Browser, str, Path, Collection[str]], Awaitable[None]]
# The browser encodes the picture: WebP is half as large as PNG.
_TO_WEBP: Final = """
async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.9).split(",")[1];
}
"""


async def take_all(browser: Browser, address: str, directory: Path, only: Collection[str]) -> None:
    """Take a picture of these pages, or of all, in each width and colour scheme."""
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            for name in only or PAGES:
                png = await picture(browser, address + PAGES[name], scheme, width, height)
                (directory / f"{name}-{width}-{scheme}.png").write_bytes(png)


async def take_for_docs(browser: Browser, address: str, directory: Path, only: Collection[str]) -> None:
    """Take the pictures of the documentation that show these pages, or all."""
    for name in only or DOCS:
        scheme, width, height = DOCS[name]
        png = await picture(browser, address + PAGES[name], scheme, width, height)
        (directory / f"{name}.webp").write_bytes(await webp(browser, png))


async def picture(browser: Browser, address: str, scheme: str, width: int, height: int) -> bytes:
    """Return a picture of a page as PNG."""
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    await page.goto(address)
    await settled(page)
    png = await page.screenshot()
    await page.close()
    return png


async def settled(page: Page) -> None:
    """Wait until the page shows what it fetches."""
    if await page.locator("#events").count():
        await page.locator(".event:not(.blank)").first.wait_for()
        await page.wait_for_function("document.getElementById('live').textContent === 'Live'")
    await page.wait_for_timeout(400)  # what the scripts show later: pairs of calls, tokens


async def webp(browser: Browser, png: bytes) -> bytes:
    """Return a picture as WebP."""
    page = await browser.new_page()
    encoded = await page.evaluate(_TO_WEBP, base64.b64encode(png).decode())
    await page.close()
    return base64.b64decode(encoded)


async def main(directory: Path, take: Take, only: Collection[str]) -> None:
    """Start what the pages need, and take the pictures."""
    with TemporaryDirectory() as temporary, PostgreSQL(Path(temporary) / "postgresql", durable=False) as postgres:
        environment = {**os.environ, "DATABASE_URL": postgres.url}
        migrate = [sys.executable, "-m", "consumer", "migrate"]
        await asyncio.to_thread(subprocess.run, migrate, check=True, env=environment, capture_output=True)
        minute = (datetime.now(UTC) - START).total_seconds() / 60
        await insert_demo_runs(postgres.url, minute)
        settings = {"DATABASE_URL": postgres.url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        with Viewer(Path(temporary) / "viewer", environment=settings) as viewer:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
                await take(browser, viewer.url.rstrip("/"), directory, only)
                await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--docs", action="store_true", help="only the pictures of the documentation")
    parser.add_argument("--only", nargs="+", default=(), choices=PAGES, metavar="PAGE", help="only these pages")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.directory, take_for_docs if options.docs else take_all, options.only))
