"""Decodes records into events or rejections, with the checks that need no database."""

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.records import Refusal, validate_record
from agent_runs.kafka.records import Record
from consumer.model.records import Event, Rejection


def decode(record: Record, max_event_bytes: int) -> Event | Rejection:
    """Return the record's event; or a rejection, with the first reason that applies in the order of `Reason`."""
    found = validate_record(record.key, record.value, record.timestamp, max_event_bytes, read_envelope)
    if isinstance(found, Refusal):
        return Rejection(record, found.reason, found.detail)
    run_id, envelope = found
    return Event(run_id, envelope, record.value or b"", None, record)
