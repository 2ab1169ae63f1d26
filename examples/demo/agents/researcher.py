"""The researcher: searches the web, reads, answers. Its search tool times out now and then."""

import json
from dataclasses import dataclass

from examples.demo.agents.voice import Script, Step, Voice

AGENT_ID = "market-researcher"

SYSTEM_PROMPT = """\
You are a market researcher. You answer one question at a time, from sources that you have read in this run.

Rules:
1. Search before you answer. Two good sources are better than ten that copy each other.
2. Quote numbers with their unit, their date and their source. If sources disagree, say so and give both.
3. If a tool fails, try once more with other words. If it fails again, answer with what you have and name the gap.
4. Say "I don't know" rather than guess.

Tools: web_search(query), read_page(url), respond_to_user(text).
Answer with one JSON object: {"thought": "…", "tool": "…", "args": {…}}.
"""


@dataclass(frozen=True, slots=True)
class Topic:
    """A question, and what the tools find for it."""

    question: str
    query: str
    source: str
    finding: str


TOPICS = (
    Topic(
        "Which night trains start from Zürich this winter, and what does a berth cost?",
        "Zürich Nachtzug Winterfahrplan Liegewagen Preis",
        "https://example.org/nachtzug",
        "Six lines leave Zürich HB in the evening; a couchette starts at CHF 69, a sleeper at CHF 119.",
    ),
    Topic(
        "How much did the price of battery storage fall last year?",
        "battery pack price per kWh yearly survey",
        "https://example.org/battery-survey",
        "The volume-weighted average fell by about a fifth; stationary storage is now the cheapest segment.",
    ),
    Topic(
        "東京で人気のある再生紙メーカーはどこですか？",
        "再生紙 メーカー 東京 シェア",
        "https://example.org/saiseishi",
        "上位三社で市場の六割を占めています。 🗞️ 三社とも2026年に値上げを発表しました。",
    ),
    Topic(
        "Do our competitors offer a free tier, and what are its limits?",
        "competitor pricing free tier limits comparison",
        "https://example.org/pricing-table",
        "Three of five do. The limits are 1,000 runs a month, 7 days of history, and one seat.",
    ),
    Topic(
        "What changed in the EU rules for packaging waste, in two sentences?",
        "EU packaging and packaging waste regulation summary",
        "https://example.org/ppwr",
        "Every package must be recyclable by 2030. Reuse targets for transport packaging apply from the same year.",
    ),
)


def any_question(me: Voice) -> Script:
    """A user asks."""
    return research(me, me.world.dice.choice(TOPICS))


def research(me: Voice, topic: Topic) -> Script:
    """One question, from the user or from the agent that spawned this run."""
    yield me.started()
    yield me.heard("message_from_user", text=topic.question)
    yield me.assembled(history=[{"role": "user", "content": topic.question}], tools=["web_search", "read_page"])
    yield _thought(me, topic, "I need sources first.", "web_search", {"query": topic.query})
    yield me.requested("web_search", query=topic.query)
    if me.world.dice.random() < 0.3:
        yield me.tool_failed("web_search", "TimeoutError: no answer from the search service within 10 s")
        yield me.requested("web_search", query=topic.query.lower())
    yield me.succeeded("web_search", {"hits": [{"url": topic.source, "title": topic.query.title(), "rank": 1}]})
    yield me.requested("read_page", url=topic.source)
    yield me.succeeded("read_page", {"url": topic.source, "text": topic.finding, "truncated": False})
    yield _thought(me, topic, "That answers it.", "respond_to_user", {"text": topic.finding})
    yield me.requested("respond_to_user", text=topic.finding)
    yield me.succeeded("respond_to_user", {"delivered": True})
    return topic.finding


def _thought(me: Voice, topic: Topic, thought: str, tool: str, args: dict[str, str]) -> Step:
    answer = json.dumps({"thought": thought, "tool": tool, "args": args}, ensure_ascii=False)
    return me.called_model(SYSTEM_PROMPT, f"Question: {topic.question}\n\nWhat do you do next?", answer)
