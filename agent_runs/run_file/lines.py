"""The three kinds of lines of a run file: a run, an event, and the end of a run.

The bytes of a line are determined by its content, so that exporting a run twice gives equal bytes.
"""

from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader import OpaqueEvent, RunSummary, StoredEvent, event_of_message

FORMAT: Final = "agent-runs/1"
MAX_LINE_BYTES: Final = 512 * 1024 * 1024  # a line is held in memory; a message and its Base64 are far below this

_RUN_START: Final = b'{"format":'
_END_START: Final = b'{"end":'


class _FormatLine(msgspec.Struct, frozen=True):
    format: str


class _RunLine(msgspec.Struct, frozen=True):
    run: RunSummary


class End(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the last line of a run states.

    Attributes:
        run: the id of the run.
        events: how many lines with events it has.
        sha256: the digest of the run's lines before this one, their newlines included, in hexadecimal digits.
        next: the id of the run that follows in the same export; None if it was the last one.
    """

    run: str
    events: int
    sha256: str
    next: str | None = None


class _EndLine(msgspec.Struct, frozen=True):
    end: End


class _EventLine(msgspec.Struct, frozen=True):
    seq: int
    created_at: datetime
    partition: int
    offset: int
    event: msgspec.Raw = msgspec.Raw()
    raw: bytes | None = None
    id: str = ""
    parent_event_id: str | None = None
    type: str = ""
    error: str = ""


_decode_run = msgspec.json.Decoder(_RunLine).decode
_decode_end = msgspec.json.Decoder(_EndLine).decode
_decode_event = msgspec.json.Decoder(_EventLine).decode
_decode_format = msgspec.json.Decoder(_FormatLine).decode


def run_line(run: RunSummary) -> bytes:
    """Return the first line of a run."""
    summary = RunSummary(**{name: getattr(run, name) for name in RunSummary.__struct_fields__})
    return b'{"format":"%s","run":%s}\n' % (FORMAT.encode(), summary.to_json())


def event_line(event: StoredEvent) -> bytes:
    """Return the line of an event."""
    return event.to_json() + b"\n"


def end_line(end: End) -> bytes:
    """Return the last line of a run."""
    return msgspec.json.encode(_EndLine(end)) + b"\n"


def parse(line: bytes) -> RunSummary | StoredEvent | End:
    """Return what a line states.

    Raises:
        ValueError: the line is not one of a run file. Its text states why.
    """
    if line.startswith(_RUN_START):
        found = _decode_format(line).format
        if found != FORMAT:
            raise ValueError(f"the format is {found!r}; this version reads {FORMAT!r}")
        return _decode_run(line).run
    if line.startswith(_END_START):
        return _decode_end(line).end
    return parse_event(line)


def parse_event(line: bytes) -> StoredEvent:
    """Return the event of a line.

    Raises:
        ValueError: the line has none.
    """
    try:
        fields = _decode_event(line)
    except msgspec.DecodeError:
        # msgspec refuses a lone surrogate, which is legal JSON. Such a message is in `raw` too, which is decoded alone.
        before, _, rest = line.partition(b',"event":')
        _, separator, encoded = rest.rpartition(b',"raw":')
        if not separator:
            raise
        fields = _decode_event(before + separator + encoded)
    message = bytes(fields.event)
    plain = None if message in (b"", b"null") else message
    event = event_of_message(
        plain if fields.raw is None else fields.raw,
        id=fields.id,
        parent_event_id=fields.parent_event_id,
        type=fields.type,
        error=fields.error,
    )
    # Of an opaque event, `raw` is its message, whether PostgreSQL had it in `raw` or not.
    raw = None if isinstance(event, OpaqueEvent) else fields.raw
    return StoredEvent(
        seq=fields.seq,
        created_at=fields.created_at,
        partition=fields.partition,
        offset=fields.offset,
        event=event,
        raw=raw,
    )
