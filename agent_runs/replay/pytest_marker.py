"""What the pytest plugin does for the marker `replay`: which runs a test is called with, and what its outcome is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, NamedTuple

from agent_runs.emitter.records import Record
from agent_runs.replay.errors import Divergence
from agent_runs.replay.recorded_files import LiveRecording, load_recording, root_runs, write_recorded
from agent_runs.replay.recording import Recording
from agent_runs.run_file import InvalidRunFile

_LIBRARY: Final = str(Path(__file__).parents[1])
_NO_PATTERN: Final = (
    "the marker `replay` has one argument, the path of run files relative to {}: @pytest.mark.replay('runs/*.jsonl')"
)


class Case(NamedTuple):
    """A recorded run that a test is called with.

    Attributes:
        path: its file.
        run_id: its id; None if it is to be recorded for the first time.
    """

    path: Path
    run_id: str | None

    def open(self, options: Mapping[str, Any], *, record: bool) -> Recording:
        """Return the recording; one that lets the agent make every call if the run is to be recorded."""
        if not record:
            assert self.run_id is not None  # noqa: S101  # `find_cases` has refused it
            return load_recording(self.path, self.run_id, options)
        if self.run_id is None:
            return LiveRecording([])
        recorded = load_recording(self.path, self.run_id, {})
        return LiveRecording(recorded.inputs)


class NothingRecorded(Exception):  # the plugin turns it into the failure of the test
    """No file matches the pattern of the marker, or a file is no run file."""


def find_cases(folder: Path, arguments: Sequence[Any], test_name: str, *, record: bool) -> dict[str, Case]:
    """Return the recorded runs by the ids of their tests, in the order of their paths.

    Args:
        folder: that of the test file.
        arguments: those of the marker: the paths of run files, relative to the folder; `*` stands for any text.
        test_name: the name of a file that is recorded for the first time, in place of `*`.
        record: whether runs are recorded, so that there may be none before.

    Raises:
        NothingRecorded: there is none, or one cannot be read, or the pattern is not a relative path.
    """
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise NothingRecorded(_NO_PATTERN.format(folder))
    pattern = arguments[0]
    cases = {}
    for path in _matching(folder, pattern):
        try:
            run_ids = root_runs(path)
        except (InvalidRunFile, OSError) as error:
            raise NothingRecorded(f"a recorded run cannot be replayed: {error}") from error
        for run_id in run_ids:
            cases[path.stem if len(run_ids) == 1 else f"{path.stem}-{run_id}"] = Case(path, run_id)
    if cases:
        return cases
    if not record:
        raise NothingRecorded(
            f"no recorded run matches {folder / pattern}: record one with `pytest --replay-record`, or export one with "
            "`agent-runs export RUN -f FILE`"
        )
    path = folder / pattern.replace("*", test_name)
    return {path.stem: Case(path, None)}


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as error:  # empty, or absolute
        raise NothingRecorded(_NO_PATTERN.format(folder)) from error


def record(case: Case, records: list[Record]) -> None:
    """Write the runs of an emitter to the file of a case.

    Raises:
        NothingRecorded: the emitter has no events.
    """
    messages: dict[str, list[bytes]] = {}
    for each in records:
        messages.setdefault(each.key.decode(), []).append(each.value)
    if not messages:
        raise NothingRecorded("the test emitted no events with the fixture `recording_emitter`, so there is no run")
    write_recorded(case.path, messages)


def divergence_text(case: Case, recording: Recording, raised: Divergence | None) -> str | None:
    """Return why a replay fails the test; None if it does not.

    Args:
        case: the recorded run.
        recording: it, after the test.
        raised: what the test has raised.
    """
    error = raised
    if error is None:
        try:
            recording.finish()
        except Divergence as found:
            error = found
    if error is None:
        return None
    lines = [f"The replay of {case.path.name}, run {case.run_id}, diverges.", str(error)]
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(_LIBRARY)]
    if raised is not None and frames:
        lines.append(f"The call is in {frames[-1].filename}:{frames[-1].lineno}.")
    lines.append("If the agent is right: record the run again with `--replay-record`, and review the changed file.")
    return "\n".join(lines)
