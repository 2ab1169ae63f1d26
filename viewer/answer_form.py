"""The form that answers an open question. It works without JavaScript; with it, the page stays where it is."""

from xml.etree.ElementTree import Element

from starlette.requests import Request

from agent_runs.reader import OpenQuestion, QuestionLine
from viewer.access import MAX_NAME
from viewer.answers import READ_ONLY, Answers
from viewer.html import el
from viewer.parameters import Address


def answers_of_viewer(request: Request) -> Answers:
    """Return what publishes the answers."""
    answers: Answers = request.app.state.answers
    return answers


def answer_form(request: Request, question: OpenQuestion | QuestionLine) -> Element:
    """Return the form for an answer; what has become of it, if this viewer has published an answer already."""
    address, answers = Address(question.run.id), answers_of_viewer(request)
    if answers.is_sent(question):
        link = el("a", "see whether it is stored", href=address.page(Address.answer(question.id)))
        return el("p", "An answer was sent: ", link, ".", class_="sent", role="status")
    if not answers.can_publish:
        return el("p", READ_ONLY, class_="dim")
    user: str | None = getattr(request.state, "user", None)
    name = el(
        "input", name="by", maxlength=MAX_NAME, autocomplete="name", placeholder="Your name", aria_label="Your name"
    )
    return el(
        "form",
        el("textarea", "", name="answer", rows=2, aria_label="Answer", placeholder="Answer", spellcheck="true"),
        el(
            "div",
            el("button", "Send", type="submit", class_="primary"),
            el("button", "Yes", type="submit", name="choice", value="yes"),
            el("button", "No", type="submit", name="choice", value="no"),
            el("label", el("input", type="checkbox", name="form", value="json"), el("span", "JSON"), class_="switch"),
            el("span", f"as {user}", class_="dim") if user else name,
            class_="actions",
        ),
        el("p", "", role="status", class_="outcome"),
        method="post",
        action=address.page(Address.answer(question.id)),
        class_="answer",
        data_api=address.api("/answers"),
        data_question=question.id,
    )
