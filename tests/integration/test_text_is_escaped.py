"""Ids, names, headers and messages with control characters are stored exactly, and printed with escapes."""

import json

from tests.support.messages import Message, event
from tests.support.scene import Finished, Scene

TEXTS = {
    "terminal sequences": "\x1b]0;owned\x07\x1b[2J\x9b31m",
    "log lines": "x\n2026-01-01T00:00:00Z [info] All is well action=run\r\x85\u2028error: none",
    "right-to-left marks": "\u202eelif.txt\u2066\u200b",
    "statements": "'; DROP TABLE run_events; --\\ $1 %s {0} [/] [red] \"",
}
FIELDS = ("session_id", "agent_id", "parent_run_id")


async def test_control_characters_in_records_are_stored_exactly_and_printed_with_escapes(scene: Scene) -> None:
    # Given runs with such texts in every name, with conflicting events and with invalid records,
    await scene.publish(*(message for text in TEXTS.values() for message in _messages(text)))
    # when they are consumed, with each log format,
    console = await scene.command("run", "--until-end")
    await scene.rows("TRUNCATE agent_runs, consumer_offsets, dead_letters CASCADE")
    json_lines = await scene.command(
        "run", "--until-end", AGENT_RUNS_LOG_FORMAT="json", AGENT_RUNS_GROUP=f"{scene.topic}-json"
    )
    # then they are stored exactly,
    for text in TEXTS.values():
        await _assert_exact(scene, text)
    await scene.assert_consistent()
    # and all output about them, also about tables that were changed by hand, is printable text.
    await scene.rows("UPDATE agent_runs SET status = 'failed', session_id = id || '!'")
    verified = await scene.command("verify", "--topic")
    assert (verified.exit_code, verified.output.count("projection: ")) == (1, 4 * len(TEXTS))
    for finished in (console, json_lines, verified, await scene.command("offsets", "show")):
        _assert_printable(finished)
    assert all(_is_log_line(line) for line in console.output.splitlines())
    assert all(json.loads(line)["action"] for line in json_lines.output.splitlines())


def _messages(text: str) -> list[Message]:
    key, headers = text.encode(), [(text, text.encode())]
    return [
        Message(key, event(text, "run_started", **dict.fromkeys(FIELDS, f"{text} of another"))),
        Message(key, event(f"{text} 2", text, anything=text)),
        Message(key, event(f"{text} 3", "tool_requested", tool_name=text, tool_args={text: text})),
        Message(key, event(text, data="something else"), headers=headers),
        Message(key, text.encode(), headers=headers),
    ]


async def _assert_exact(scene: Scene, text: str) -> None:
    assert await scene.event_ids(text) == [text, f"{text} 2", f"{text} 3"]
    types = await scene.rows("SELECT event_type FROM run_events WHERE run_id = $1 AND event_seq = 1", text)
    assert types == [(text,)]
    (facts,) = await scene.rows(f"SELECT {', '.join(FIELDS)} FROM agent_runs WHERE id = $1", text)
    assert facts == (f"{text} of another",) * 3
    dead_letters = await scene.rows("SELECT headers ->> 0, reason FROM dead_letters WHERE key = $1", text.encode())
    assert {(json.loads(header)[0], reason) for header, reason in dead_letters} == {
        (text, "event_id_conflict"),
        (text, "not_json"),
    }


async def test_control_characters_in_an_error_of_postgresql_are_escaped(scene: Scene) -> None:
    # Given a trigger that an operator has added, whose error has the value in its message,
    text = TEXTS["terminal sequences"] + TEXTS["log lines"]
    await scene.rows(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'one_a_session: %', NEW.session_id; END$$"
    )
    await scene.rows(
        "CREATE TRIGGER one_a_session BEFORE UPDATE ON agent_runs FOR EACH ROW "
        "WHEN (NEW.session_id IS NOT NULL) EXECUTE FUNCTION refuse()"
    )
    await scene.publish(*(Message(run, event("a", "run_started", session_id=text)) for run in (b"one", b"other")))
    # when a consumer ends with that error, then its output is printable.
    finished = await scene.command("run", "--until-end")
    assert finished.exit_code == 3
    assert "one_a_session" in finished.output
    assert "owned" in finished.output
    _assert_printable(finished)
    assert all(_is_log_line(line) or line.startswith("error: ") for line in finished.output.splitlines())


def _assert_printable(finished: Finished) -> None:
    assert [line for line in finished.output.split("\n") if not line.isprintable()] == []


def _is_log_line(line: str) -> bool:
    time, _, rest = line.partition(" ")
    return time.endswith("Z") and rest.startswith("[") and "action=" in rest and not time.startswith("2026-01-01")
