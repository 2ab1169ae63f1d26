"""The pytest plugin of the library: the fixtures `recording_emitter` and `recording`, and the marker `replay`.

pytest loads this module in every test run, so only what is used imports the emitter and the replay.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agent_runs.replay import Recording
    from agent_runs.replay.pytest_marker import Case
    from agent_runs.testing import RecordingEmitter

_MARKER = (
    "replay(pattern, **options): call the test once for each recorded run in the run files that match the pattern, "
    "relative to the folder of the test. The fixture `recording` answers the calls of the agent; the options are those "
    "of `agent_runs.replay.Recording`."
)
_replayed = pytest.StashKey["tuple[Case, Recording]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--replay-record`."""
    text = "let tests with the marker `replay` make their calls, and record the runs to their files"
    parser.getgroup("agent-runs").addoption("--replay-record", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call a test with the marker `replay` once for each recorded run."""
    marker = metafunc.definition.get_closest_marker("replay")
    if marker is None or "recording" not in metafunc.fixturenames:
        return
    from agent_runs.replay import pytest_marker  # noqa: PLC0415

    folder, name = metafunc.definition.path.parent, metafunc.definition.name
    try:
        cases = pytest_marker.find_cases(folder, marker.args, name, record=_is_recorded(metafunc.config))
    except pytest_marker.NothingRecorded as error:
        metafunc.parametrize("recording", [str(error)], ids=["nothing recorded"], indirect=True)
    else:
        metafunc.parametrize("recording", list(cases.values()), ids=list(cases), indirect=True)


def _is_recorded(config: pytest.Config) -> bool:
    return bool(config.getoption("--replay-record"))


@pytest.fixture
def recording_emitter() -> "Iterator[RecordingEmitter]":
    """An emitter that keeps its events in memory. The test fails at its end if an event was dropped."""
    from agent_runs.testing import RecordingEmitter  # noqa: PLC0415  # not loaded by test runs that do not use it

    emitter = RecordingEmitter()
    yield emitter
    dropped = emitter.stats().dropped
    if dropped:
        pytest.fail(
            f"Dropped events by reason: {dropped}. The warnings of logger `agent_runs` have the details.", pytrace=False
        )


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> "Recording":
    """The recording of a past run, see the marker `replay`. With `--replay-record`, the agent makes its calls."""
    from agent_runs.replay import ReplayError  # noqa: PLC0415

    case: Case | str | None = getattr(request, "param", None)
    marker = request.node.get_closest_marker("replay")
    if case is None or marker is None:
        pytest.fail("the fixture `recording` needs the marker `@pytest.mark.replay('runs/*.jsonl')`", pytrace=False)
    if isinstance(case, str):
        pytest.fail(case, pytrace=False)
    try:
        opened = case.open(marker.kwargs, record=_is_recorded(request.config))
    except (ValueError, ReplayError) as error:
        problem = f"{case.path.name}, run {case.run_id}, cannot be replayed: {error}"
    else:
        request.node.stash[_replayed] = (case, opened)
        return opened
    pytest.fail(problem, pytrace=False)  # not in the handler: the report would have both errors


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Fail a test whose replay diverges; with `--replay-record`, record the runs of a test that has passed."""
    if _replayed not in pyfuncitem.stash:
        # A marked class or module may have tests without a recording.
        if any(marker.name == "replay" for marker in getattr(pyfuncitem.obj, "pytestmark", ())):
            pytest.fail("a test with the marker `replay` has the fixture `recording`: add it", pytrace=False)
        return (yield)
    from agent_runs.replay import Divergence, pytest_marker  # noqa: PLC0415

    case, opened = pyfuncitem.stash[_replayed]
    raised: Divergence | None = None
    result = None
    try:
        result = yield
    except Divergence as error:
        raised = error
    finally:
        pyfuncitem.add_report_section("call", "replay", str(opened.report()))
    if _is_recorded(pyfuncitem.config):
        emitter: Any = pyfuncitem.funcargs.get("recording_emitter")
        try:
            pytest_marker.record(case, emitter.records if emitter else [])
        except pytest_marker.NothingRecorded as error:
            pytest.fail(str(error), pytrace=False)
        return result
    text = pytest_marker.divergence_text(case, opened, raised)
    if text is not None:
        pytest.fail(text, pytrace=False)
    return result
