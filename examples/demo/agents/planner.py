"""The planner: splits a request, spawns a researcher for each part, and waits for every one of them."""

import json

from examples.demo.agents import researcher
from examples.demo.agents.voice import Script, Voice

AGENT_ID = "report-planner"

SYSTEM_PROMPT = """\
You write short reports by asking others. Split the request into questions that can be answered on their own, give each
one to a researcher with spawn_agent, and join the answers. You never search yourself.

Tools: spawn_agent(agent, task), ask_human(question), respond_to_user(text).
"""


def report(me: Voice) -> Script:
    """A report, with two researchers as child runs."""
    topics = me.world.dice.sample(researcher.TOPICS, k=2)
    request = "A page for Monday, please: " + " ".join(topic.question for topic in topics)
    plan = json.dumps({"questions": [topic.question for topic in topics]}, ensure_ascii=False)
    yield me.started()
    yield me.heard("message_from_user", text=request)
    yield me.called_model(SYSTEM_PROMPT, request, plan)
    findings = []
    for topic in topics:
        child = me.child(researcher.AGENT_ID)
        yield me.requested("spawn_agent", agent=researcher.AGENT_ID, task=topic.question, run_id=child.run_id)
        finding = yield from researcher.research(child, topic)
        yield me.succeeded("spawn_agent", {"run_id": child.run_id, "answer": finding})
        findings.append(finding)
    yield me.asked_human("Shall I send the page as it is?")
    yield me.heard("human_response", approved=True, by="amélie@example.org")
    yield me.called_model(SYSTEM_PROMPT, "The answers:\n" + "\n".join(f"- {finding}" for finding in findings), "OK")
    yield me.requested("respond_to_user", text="\n\n".join(findings))
    yield me.succeeded("respond_to_user", {"delivered": True})
    return "sent"
