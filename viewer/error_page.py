"""The page of a request that has no answer."""

from http import HTTPStatus
from typing import Final

from viewer.html import Child, el
from viewer.layout import page

_TITLES: Final = {
    401: "Token needed",
    404: "Not found",
    421: "Wrong host",
    502: "The answer is not confirmed",
    503: "PostgreSQL cannot be read",
}


def error_page(status: int, sentence: str, retry_s: int | None) -> bytes:
    """Return the page.

    Args:
        status: the HTTP status.
        sentence: what is wrong, and what to do about it.
        retry_s: the page loads the address again after so many seconds; None: it does not.
    """
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    return page(
        title,
        el(
            "section",
            el("p", str(status), class_="code"),
            el("h1", title),
            el("p", _with_commands(sentence)),
            el("p", f"This page tries again every {retry_s} seconds.", class_="dim", role="status")
            if retry_s
            else None,
            el("p", el("a", "Load again", href="") if status == 401 else el("a", "All runs", href="/")),
            class_="empty",
        ),
        refresh_s=retry_s,
    )


def _with_commands(sentence: str) -> list[Child]:
    """Return a sentence with what is between backticks as code."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without another one is a part of the text
        return [sentence]
    return [el("code", part) if number % 2 else part for number, part in enumerate(parts)]
