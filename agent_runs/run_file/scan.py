"""Reads a run file from its start to its end, and checks that it is complete and unchanged."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from agent_runs.reader import RunSummary, StoredEvent
from agent_runs.run_file.errors import InvalidRunFile
from agent_runs.run_file.lines import MAX_LINE_BYTES, End, end_line, parse

# The first bytes of files that are not run files, but may contain one.
_OTHER_FORMATS: Final = {
    b"\x1f\x8b": "it is compressed with gzip: decompress it first",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd: decompress it first",
    b"PK": "it is a zip archive: unpack it first",
    b"\xef\xbb\xbf": "it begins with a byte order mark, which a program must have added: remove the first 3 bytes",
}


class Line(NamedTuple):
    """A line of a run file.

    Attributes:
        number: from 1.
        position: the byte at which it begins.
        content: what it states.
    """

    number: int
    position: int
    content: RunSummary | StoredEvent | End


class _Invalid(Exception):
    """A line that is not the one expected. `InvalidRunFile` adds the file."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem


def scan(path: Path) -> Iterator[Line]:
    """Iterate over the lines of a run file, with constant memory.

    An altered line may be yielded before the last line of its run shows that the digest differs: use the lines of a run
    after its `End` was yielded, or scan twice.

    Raises:
        InvalidRunFile: the file is cut off or altered, or is not a run file.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file)
    except _Invalid as error:
        raise InvalidRunFile(error.line, error.problem, str(path)) from error


def _lines(file: BinaryIO) -> Iterator[Line]:
    """Iterate over the lines of an open run file, see `scan`."""
    check = _Check()
    position = 0
    number = 0
    while text := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            _check_format(text)
        if not text.endswith(b"\n"):
            problem = "the file is cut off in this line" if len(text) < MAX_LINE_BYTES else "the line is too long"
            raise _Invalid(number, problem)
        try:
            content = parse(text)
        except ValueError as error:
            raise _Invalid(number, f"not a line of a run file: {error}") from error
        check.accept(number, text, content)
        yield Line(number, position, content)
        position += len(text)
    check.end(number + 1)


def _check_format(text: bytes) -> None:
    """Refuse the first line of a file that a program has compressed or marked.

    Raises:
        _Invalid: says what the file is.
    """
    for start, problem in _OTHER_FORMATS.items():
        if text.startswith(start):
            raise _Invalid(1, f"not a run file: {problem}")
    if text.endswith(b"\r\n"):
        raise _Invalid(1, "a program has changed the line breaks of the file to CR LF: change them back to LF")


class _Check:
    """What the lines so far require of the next one."""

    def __init__(self) -> None:
        self._run: RunSummary | None = None
        self._first_line = 0
        self._events = 0
        self._digest = sha256()
        self._announced: str | None = None

    def accept(self, number: int, text: bytes, content: RunSummary | StoredEvent | End) -> None:
        """Check one line.

        Raises:
            _Invalid: it may not follow the lines before it.
        """
        match content:
            case RunSummary():
                self._begin(number, content)
            case StoredEvent():
                self._check_event(number, content)
            case End():
                self._check_end(number, text, content)
                return
        self._digest.update(text)

    def end(self, number: int) -> None:
        """Check that the file may end before this line."""
        if self._run is not None:
            raise _Invalid(
                number, f"the file is cut off: {self._events} of {self._run.event_count} events, and no line `end`"
            )
        if self._announced is not None:
            raise _Invalid(number, f"the file is cut off: the run {self._announced!r} is missing")
        if number == 1:
            raise _Invalid(number, "the file is empty")

    def _begin(self, number: int, run: RunSummary) -> None:
        if self._run is not None:
            raise _Invalid(number, f"a run begins before the line `end` of the run {self._run.id!r}")
        if self._announced not in (None, run.id):
            raise _Invalid(number, f"the run {self._announced!r} is missing: found {run.id!r}")
        self._run, self._first_line, self._events, self._digest = run, number, 0, sha256()

    def _check_event(self, number: int, event: StoredEvent) -> None:
        if self._run is None:
            raise _Invalid(number, "an event before the first line of its run")
        if event.seq != self._events:
            raise _Invalid(number, f"expected the event with seq {self._events}, found {event.seq}")
        self._events += 1

    def _check_end(self, number: int, text: bytes, end: End) -> None:
        if end_line(end) != text:
            raise _Invalid(number, "the line `end` was altered")
        if self._run is None or end.run != self._run.id:
            raise _Invalid(number, f"the line `end` of the run {end.run!r} follows another run")
        if not end.events == self._events == self._run.event_count:
            raise _Invalid(number, f"found {self._events} events, and the line `end` states {end.events}")
        if end.sha256 != self._digest.hexdigest():
            lines = f"the lines {self._first_line} to {number - 1}"
            raise _Invalid(number, f"the digest differs: one of {lines} was altered")
        self._run, self._announced = None, end.next
