"""The bug fixer: woken by a red build, it edits and tests until the tests pass or its patience ends."""

import json

from examples.demo.agents.voice import Script, Step, Voice

AGENT_ID = "bug-fixer"
ATTEMPTS = 3
CHANCE_OF_GREEN = 0.5  # of each attempt

SYSTEM_PROMPT = """\
You repair failing builds. You change as little as possible, and never a test's expectation.

Work like this: read the failing test, state the cause in one sentence, edit, run the tests. After three red runs stop
and say what you have learned; a human goes on from there.

Tools: read_file(path), edit_file(path, old, new), run_tests(path), done(summary).
"""

BUGS = (
    ("tests/test_invoice.py::test_rounding", "src/invoice.py", "AssertionError: 10.005 != Decimal('10.01')"),
    ("tests/test_dates.py::test_leap_day", "src/dates.py", "ValueError: day is out of range for month"),
    ("tests/test_names.py::test_umlaut", "src/names.py", "UnicodeDecodeError: 'ascii' codec can't decode byte 0xc3"),
    ("tests/test_cart.py::test_empty", "src/cart.py", "ZeroDivisionError: division by zero"),
)


def repair(me: Voice) -> Script:
    """A build is red."""
    test, path, error = me.world.dice.choice(BUGS)
    yield me.started()
    yield me.heard("awake_from_system", build=me.world.dice.randrange(4_000, 9_999), failed=[test])
    yield me.requested("read_file", path=path)
    yield me.succeeded("read_file", {"path": path, "lines": 148})
    for attempt in range(1, ATTEMPTS + 1):
        yield _thought(me, test, error, attempt)
        yield me.requested("edit_file", path=path, old="return value", new=f"return normalise(value, {attempt})")
        yield me.succeeded("edit_file", {"changed_lines": 1})
        yield me.requested("run_tests", path=test)
        if me.world.dice.random() < CHANCE_OF_GREEN:
            yield me.succeeded("run_tests", {"passed": 212, "failed": 0, "seconds": 8.4})
            yield me.requested("done", summary=f"{test} passes again, one line changed in {path}.")
            yield me.succeeded("done", None)
            return "repaired"
        yield me.tool_failed("run_tests", f"1 failed, 211 passed\nE   {error}\n{test}: FAILED")
    yield me.failed(f"still red after {ATTEMPTS} attempts: {error}")
    return "given up"


def _thought(me: Voice, test: str, error: str, attempt: int) -> Step:
    answer = json.dumps({"cause": error.partition(":")[0], "attempt": attempt, "tool": "edit_file"})
    return me.called_model(SYSTEM_PROMPT, f"{test} fails:\n\n    {error}\n\nAttempt {attempt} of {ATTEMPTS}.", answer)
