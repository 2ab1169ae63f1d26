"""Watches a page for what must never happen: scripts of a run, errors in the console, requests to elsewhere."""

from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Dialog, Page, Request

# What the browser itself logs for a 404 that a test asks for, and for a viewer that has ended. What a policy forbids
# has another text.
_FAILED = "Failed to load resource: "


class CleanPage:
    """The complaints about a page since it was opened."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self._origins: set[str] = set()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._on_dialog)
        page.on("request", self._on_request)

    def require_clean(self) -> None:
        """Require that nothing happened, and that all requests went to one origin."""
        assert not self.complaints, self.complaints
        assert len(self._origins) <= 1, self._origins

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert") and not message.text.startswith(_FAILED):
            self.complaints.append(f"{message.type}: {message.text}")

    async def _on_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data":  # the icon of an exported page
            self._origins.add(f"{address.scheme}://{address.netloc}")
