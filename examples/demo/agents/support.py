"""The refund desk: small refunds at once, large ones only when a human says so. Some humans have gone home."""

import json

from examples.demo.agents.voice import Script, Step, Voice

AGENT_ID = "refund-desk"
ALONE_UP_TO_EUR = 50
NOBODY_ANSWERS = 0.35  # of the questions to a human; their runs are still waiting when the demo ends

SYSTEM_PROMPT = f"""\
You work at the refund desk of a shop for coffee machines. You are friendly, brief and exact.

Policy:
- Look the order up before you promise anything. Never repeat card numbers or addresses back to the customer.
- Up to EUR {ALONE_UP_TO_EUR} you may refund on your own when the order is younger than 30 days.
- Above that, ask a human with ask_human and wait. Do what they say, and tell the customer in your own words.
- If the customer is angry, apologise once, sincerely, and then solve the problem.

Tools: find_order(order), ask_human(question), refund(order, amount_eur), respond_to_user(text).
"""

COMPLAINTS = (
    ("the grinder screams like a jet engine ✈️", 189),
    ("the cup holder came broken", 14),
    ("I got the 110 V model, we live in Lyon…", 420),
    ("descaler leaked all over the “gift” box", 22),
    ('"out for delivery" for nine days now', 65),
    ("die Milchdüse tropft seit dem ersten Tag", 38),
)


def refund(me: Voice) -> Script:
    """A customer wants money back."""
    complaint, amount_eur = me.world.dice.choice(COMPLAINTS)
    order = f"A-{me.world.dice.randrange(10_000, 99_999)}"
    yield me.started()
    yield me.heard("message_from_user", text=f"Order {order}: {complaint}. I want my money back.")
    yield me.requested("find_order", order=order)
    yield me.succeeded("find_order", {"order": order, "amount_eur": amount_eur, "age_days": 12, "paid": "card"})
    yield _thought(me, complaint, "Within my limit?", go_ahead=amount_eur <= ALONE_UP_TO_EUR)
    if amount_eur > ALONE_UP_TO_EUR:
        yield me.asked_human(f"Refund EUR {amount_eur} for order {order}? The customer says: {complaint}")
        if me.world.dice.random() < NOBODY_ANSWERS:
            return "still waiting"
        approved = me.world.dice.random() < 0.8
        yield me.heard("human_response", approved=approved, by="claire@example.org")
        yield _thought(me, complaint, "A human has decided.", go_ahead=approved)
        if not approved:
            return (yield from _answer(me, "We'd rather repair it: a courier picks it up tomorrow, free of charge."))
    yield me.requested("refund", order=order, amount_eur=amount_eur)
    yield me.succeeded("refund", {"refund": f"R-{order}", "status": "booked"})
    return (yield from _answer(me, f"EUR {amount_eur} are on their way back to your card. Sorry for the trouble!"))


def _thought(me: Voice, complaint: str, thought: str, *, go_ahead: bool) -> Step:
    answer = json.dumps({"thought": thought, "refund": go_ahead}, ensure_ascii=False)
    return me.called_model(SYSTEM_PROMPT, f"The customer writes:\n> {complaint}\n\nDecide.", answer)


def _answer(me: Voice, text: str) -> Script:
    yield me.requested("respond_to_user", text=text)
    yield me.succeeded("respond_to_user", {"delivered": True})
    return text
