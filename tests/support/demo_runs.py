"""Runs of a travel desk, for screenshots and for tests of pages: what an auditor sees on an ordinary day."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.messages import COMMON, event
from tests.support.stored_runs import at, insert_run

BOOKING = "booking-7f3a"
REPLAY = "replay-7f3a"
TRIP = "trip-lisbon-4"
REFUND = "refund-a4711"
RESEARCH = "research-grid-12"
QUESTION = "Refund EUR 189 for order A-4711? The grinder is 14 months old, the warranty covers 12."

_SYSTEM = "You are the booking agent of a travel desk. Use the tools. Never book without a confirmed price."


@dataclass
class Story:
    """The events of a run as they are written down, each some seconds after the one before."""

    run_id: str
    messages: list[bytes] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    chat: list[dict[str, Any]] = field(default_factory=list)

    def add(self, after_s: float, kind: str, parent: str | None = None, **fields: object) -> str:
        """Add an event, and return its id."""
        event_id = f"{self.run_id}-{len(self.messages):03}"
        self.seconds.append(after_s + (self.seconds[-1] if self.seconds else 0.0))
        self.messages.append(event(event_id, kind, **{**fields, "parent_event_id": parent}))
        return event_id

    def hear(self, after_s: float, text: str, tool: str = "message_from_user") -> None:
        """Add an input."""
        self.chat.append({"role": "user", "content": text})
        self.add(after_s, "input", tool=tool, data={"text": text})

    def think(self, after_s: float, answer: dict[str, Any], model: str = "claude-sonnet-4-5") -> str:
        """Add a call of a model that has seen everything so far."""
        prompt = json.dumps([*self.chat])
        self.chat.append({"role": "assistant", **answer})
        tokens = {"input_tokens": 120 + len(prompt) // 4, "output_tokens": 40 + len(json.dumps(answer)) // 4}
        return self.add(
            after_s,
            "llm_called",
            f"{self.run_id}-{len(self.messages) - 1:03}",
            model=model,
            system_prompt=_SYSTEM,
            user_prompt=prompt,
            raw_response=json.dumps({"role": "assistant", **answer}),
            usage=tokens,
            duration_ms=round(900 * after_s),
        )

    def use(self, after_s: float, caller: str, tool: str, arguments: object, result: object) -> None:
        """Add a tool's request and its result."""
        self.answer(after_s, self.ask(0.02, caller, tool, arguments), tool, result)

    def ask(self, after_s: float, caller: str, tool: str, arguments: object) -> str:
        """Add the request of a tool."""
        return self.add(after_s, "tool_requested", caller, tool_name=tool, tool_args=arguments)

    def answer(self, after_s: float, request: str, tool: str, result: object) -> None:
        """Add the result of a tool."""
        self.chat.append({"role": "tool", "name": tool, "content": json.dumps(result)})
        self.add(after_s, "tool_succeeded", request, tool_name=tool, result=result)

    async def insert(self, url: str, minute: float, **columns: Any) -> None:
        """Insert the run and its events."""
        updated = minute + self.seconds[-1] / 60
        messages = [
            message.replace(str(COMMON["timestamp"]).encode(), at(minute + after_s / 60).isoformat().encode())
            for message, after_s in zip(self.messages, self.seconds, strict=True)
        ]
        await insert_run(url, self.run_id, minute, messages, **{"updated": updated, "seconds": self.seconds, **columns})


def call(name: str, **arguments: object) -> dict[str, Any]:
    """A call of a tool as models write it."""
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def booking(run_id: str = BOOKING) -> Story:
    """A run that books a flight: four calls of a model, two tools in parallel, a completion."""
    story = Story(run_id)
    story.add(0, "run_started", agent_id="booking", session_id="session-ada", labels={"env": "prod", "version": "4.2"})
    story.hear(0.3, "Two seats to Lisbon on 4 December, back on the 7th. Aisle, please.")
    story.add(0.1, "context_assembled", context={"traveller": "Ada Lovelace", "policy": "economy", "budget_eur": 600})
    first = story.think(1.9, {"content": None, "tool_calls": [call("search_flights", to="LIS", date="2026-12-04")]})
    flights = story.ask(0.05, first, "search_flights", {"from": "VIE", "to": "LIS", "date": "2026-12-04", "seats": 2})
    fares = story.ask(0.01, first, "fare_rules", {"carrier": "TP", "class": "economy"})
    story.answer(0.7, fares, "fare_rules", {"refundable": False, "bag": "23 kg", "change_eur": 60})
    found = [
        {"flight": "TP 1275", "departs": "07:10", "eur": 214.5},
        {"flight": "OS 363", "departs": "13:45", "eur": 268},
    ]
    story.answer(1.6, flights, "search_flights", found)
    second = story.think(2.4, {"content": "TP 1275 is cheaper and arrives before noon. I hold two aisle seats."})
    story.use(
        0.9, second, "hold_seats", {"flight": "TP 1275", "seats": ["14C", "14D"]}, {"hold": "H-20931", "minutes": 20}
    )
    story.hear(8.2, "Perfect. Go ahead.")
    third = story.think(1.7, {"content": None, "tool_calls": [call("book", hold="H-20931")]})
    story.use(2.2, third, "book", {"hold": "H-20931", "card": "[redacted]"}, {"locator": "X7Q2LP", "eur": 429.0})
    story.think(1.1, {"content": "Booked: TP 1275, seats 14C and 14D, EUR 429.00. Your locator is X7Q2LP."})
    story.add(0.1, "run_completed", result={"locator": "X7Q2LP", "eur": 429.0})
    return story


def replay() -> Story:
    """A replay of the booking with a changed agent, which holds other seats, and books one more thing."""
    story = Story(REPLAY)
    labels = {"env": "test", "version": "4.3", "replay_of": BOOKING}
    story.add(0, "run_started", agent_id="booking", session_id="session-ada", labels=labels)
    story.hear(0.1, "Two seats to Lisbon on 4 December, back on the 7th. Aisle, please.")
    story.add(0.1, "context_assembled", context={"traveller": "Ada Lovelace", "policy": "economy", "budget_eur": 600})
    first = story.think(0.1, {"content": None, "tool_calls": [call("search_flights", to="LIS", date="2026-12-04")]})
    found = [
        {"flight": "TP 1275", "departs": "07:10", "eur": 214.5},
        {"flight": "OS 363", "departs": "13:45", "eur": 268},
    ]
    wanted = {"from": "VIE", "to": "LIS", "date": "2026-12-04", "seats": 2}
    story.use(0.1, first, "search_flights", wanted, found)
    second = story.think(0.1, {"content": "TP 1275 is cheaper. I hold the last two aisle seats."})
    story.use(
        0.1, second, "hold_seats", {"flight": "TP 1275", "seats": ["21C", "21D"]}, {"hold": "H-20931", "minutes": 20}
    )
    story.hear(0.1, "Perfect. Go ahead.")
    third = story.think(0.1, {"content": None, "tool_calls": [call("book", hold="H-20931"), call("insure")]})
    story.use(0.1, third, "book", {"hold": "H-20931", "card": "[redacted]"}, {"locator": "X7Q2LP", "eur": 429.0})
    story.think(0.1, {"content": "Booked: TP 1275, seats 21C and 21D, EUR 429.00. Your locator is X7Q2LP."})
    story.add(0.1, "run_completed", result={"locator": "X7Q2LP", "eur": 429.0})
    return story


def refund() -> Story:
    """A run that waits for a human's answer."""
    story = Story(REFUND)
    story.add(0, "run_started", agent_id="refund-desk", session_id="session-grace", labels={"env": "prod"})
    story.hear(0.2, "The grinder screams. I want my money back.")
    first = story.think(1.4, {"content": None, "tool_calls": [call("find_order", customer="grace")]})
    story.use(0.6, first, "find_order", {"customer": "grace"}, {"order": "A-4711", "eur": 189, "months": 14})
    second = story.think(1.8, {"content": None, "tool_calls": [call("ask_human")]})
    story.ask(0.1, second, "ask_human", {"question": QUESTION, "options": ["yes", "no"]})
    return story


def trip() -> Story:
    """A run that failed: the model refused twice, then the tool did."""
    story = Story(TRIP)
    story.add(0, "run_started", agent_id="planner", session_id="session-ada", labels={"env": "prod", "version": "4.2"})
    story.hear(0.2, "Plan four days in Lisbon for a group of twelve.")
    story.add(4.0, "llm_failed", model="claude-sonnet-4-5", system_prompt=_SYSTEM, user_prompt=json.dumps(story.chat),
              error="RateLimitError: 429 Too Many Requests: 80,000 input tokens per minute are used up")  # fmt: skip
    first = story.think(6.5, {"content": None, "tool_calls": [call("hotel_search", city="Lisbon", rooms=6)]})
    request = story.ask(0.1, first, "hotel_search", {"city": "Lisbon", "rooms": 6, "nights": 3})
    story.add(30, "tool_failed", request, tool_name="hotel_search", error="TimeoutError: no answer within 30 s")
    second = story.think(2.2, {"content": "The hotel search does not answer. I try once more."})
    again = story.ask(0.1, second, "hotel_search", {"city": "Lisbon", "rooms": 6, "nights": 3})
    story.add(30, "tool_failed", again, tool_name="hotel_search", error="TimeoutError: no answer within 30 s")
    story.add(0.2, "run_failed", error="ToolUnavailable: hotel_search failed twice; gave up after 73 s")
    return story


def research() -> list[Story]:
    """A run that continues, and three children of it."""
    parent = Story(RESEARCH)
    parent.add(0, "run_started", agent_id="researcher", session_id="session-katherine", labels={"env": "staging"})
    parent.hear(0.1, "How did grid operators in Iberia change reserve pricing since April?")
    plan = parent.think(3.1, {"content": "I split this into sources, prices and regulation."})
    stories = [parent]
    for number, topic in enumerate(("sources", "prices", "regulation"), 1):
        child = Story(f"{RESEARCH}/{topic}")
        child.add(0, "run_started", agent_id=f"researcher-{topic}", session_id="session-katherine")
        parent.add(0.4, "context_assembled", plan, context={"child": child.run_id})
        caller = child.think(1.0 + number, {"content": None, "tool_calls": [call("search", q=topic)]})
        child.use(1.5 * number, caller, "search", {"q": f"Iberia reserve {topic}"}, {"hits": 12 * number})
        child.think(2.0, {"content": f"{12 * number} sources on {topic}; I read the newest five."})
        if number < 3:
            child.add(0.3, "run_completed", result={"notes": f"{topic}: done"})
        stories.append(child)
    parent.think(9.0, {"content": "Sources and prices are read. I wait for regulation."})
    return stories


async def insert_demo_runs(url: str, minute: float = 3 * 24 * 60, others: int = 20) -> None:
    """Insert the runs of the demo into a database.

    Args:
        url: the database.
        minute: when the day is over, as `stored_runs.at` counts.
        others: how many further runs there are before these.
    """
    parent, *children = research()
    await parent.insert(url, minute - 2, agent="researcher", session="session-katherine", labels={"env": "staging"})
    for number, child in enumerate(children):
        status = "completed" if number < 2 else "running"
        columns = {"agent": f"researcher-{child.run_id.rpartition('/')[2]}", "session": "session-katherine"}
        await child.insert(url, minute - 1.9 + number / 100, parent=RESEARCH, status=status, **columns)
    question = [{"id": f"{REFUND}-{len(refund().messages) - 1:03}", "tool_name": "ask_human"}]
    prod = {"env": "prod", "version": "4.2"}
    desk = {"agent": "refund-desk", "session": "session-grace"}
    await refund().insert(url, minute - 9, status="waiting", questions=question, labels={"env": "prod"}, **desk)
    labels = {"env": "test", "version": "4.3", "replay_of": BOOKING}
    await replay().insert(url, minute - 5, status="completed", agent="booking", session="session-ada", labels=labels)
    await booking().insert(url, minute - 14, status="completed", agent="booking", session="session-ada", labels=prod)
    await trip().insert(url, minute - 26, status="failed", agent="planner", session="session-ada", labels=prod)
    random = Random(7)
    for number in range(others):
        minute_of_run = minute - 31 - 43 * number - random.randrange(20)
        story = booking(f"booking-{random.randrange(16**6):06x}")
        status = random.choices(["completed", "failed", "running"], [12, 2, 1])[0]
        if status == "failed":
            error = random.choice(["PriceChanged: EUR 214.50 is now EUR 261.00", "HoldExpired: H-20931 ended at 14:20"])
            story.messages[-1] = event(f"{story.run_id}-end", "run_failed", error=error)
        columns = {"agent": "booking", "session": f"session-{random.choice(['ada', 'grace', 'joan', 'radia'])}"}
        dropped = 3 if number == 5 else 0
        await story.insert(url, minute_of_run, status=status, labels=prod, dropped=dropped, **columns)
