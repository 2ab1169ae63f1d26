"""Runs the tests of a row with pytest, and derives the outcome of the row from theirs."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Literal
from xml.etree import ElementTree as ET

from tests.matrix.row import Absent, Environment, Row
from tests.support.paths import CHECKOUT

ROW_TIMEOUT_S = 1800

Outcome = Literal["works", "failed", "skipped"]


@dataclass(frozen=True)
class Result:
    """The outcome of a row.

    Attributes:
        name: of the row.
        outcome: `skipped` if the machine lacks what the row needs, or all its tests were skipped.
        detail: why it was skipped or has failed; else how many tests passed.
        versions: what the row ran with.
        seconds: the duration.
        output: of pytest.
    """

    name: str
    outcome: Outcome
    detail: str
    versions: tuple[str, ...] = ()
    seconds: float = 0.0
    output: str = ""


def execute(row: Row, servers: Mapping[str, str]) -> Result:
    """Run a row. `servers` are the settings of the servers, which the row may replace."""
    start = monotonic()
    try:
        versions = row.package_versions()
        with row.open() as environment:
            outcome, detail, output = _run_tests(row, environment, servers)
            versions += environment.versions
    except Absent as absent:
        return Result(row.name, "skipped", str(absent))
    return Result(row.name, outcome, detail, versions, monotonic() - start, output)


def _run_tests(row: Row, environment: Environment, servers: Mapping[str, str]) -> tuple[Outcome, str, str]:
    with TemporaryDirectory(prefix="agent-runs-matrix-") as directory:
        report = Path(directory) / "report.xml"
        command = [environment.python, "-m", "pytest", "-q", "-m", "slow or not slow", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "--junitxml", str(report), *row.tests],
            cwd=CHECKOUT,
            env={**os.environ, **servers, **environment.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ROW_TIMEOUT_S,
            check=False,
        )
        if not report.exists():
            return "failed", f"pytest ended with {done.returncode} without a report", done.stdout
        outcome, detail = outcome_of(report.read_text(encoding="utf-8"), done.returncode)
    return outcome, detail, done.stdout


def outcome_of(report: str, exit_code: int) -> tuple[Outcome, str]:
    """Return the outcome of a row, and a text about it.

    Args:
        report: the JUnit XML that pytest has written.
        exit_code: of pytest.
    """
    cases = list(ET.fromstring(report).iter("testcase"))
    failed = [case.get("name", "") for case in cases if case.find("failure") is not None or _error(case)]
    reasons = [skipped.get("message", "") for case in cases if (skipped := case.find("skipped")) is not None]
    if failed or exit_code:
        return "failed", ", ".join(failed) or f"pytest ended with {exit_code}"
    passed = len(cases) - len(reasons)
    if not passed:
        return "skipped", _sentence(reasons[0])
    return "works", f"{passed} tests" if passed > 1 else "1 test"


def _error(case: ET.Element) -> bool:
    return case.find("error") is not None


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
