"""The rules of axe, which find what people who do not see, or do not use a mouse, cannot use."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

# The rules of WCAG 2.2 AA, and axe's best practices, such as landmarks.
_OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}


async def violations(page: Page) -> list[str]:
    """Return each rule that the page breaks, with the elements that break it."""
    results = await Axe().run(page, options=_OPTIONS)
    return [
        f"{violation['id']}: {violation['help']}: " + "; ".join(node["html"] for node in violation["nodes"][:5])
        for violation in results.response["violations"]
    ]
