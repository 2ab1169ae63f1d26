"""The JSON Schema accepts valid messages and refuses invalid ones, as the decoder does."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent_runs.json_schema import render, run_event_schema
from tests.support.builders import MINIMAL, message, message_without

VALIDATOR = Draft202012Validator(run_event_schema())


def accepts(value: bytes) -> bool:
    return VALIDATOR.is_valid(json.loads(value))


def test_the_schema_is_valid_json_schema() -> None:
    Draft202012Validator.check_schema(run_event_schema())


def test_the_schema_file_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "schema" / "run_event.schema.json"

    assert path.read_text(encoding="utf-8") == render(), "agent_runs/events.py changed: run `make schema`"


@pytest.mark.parametrize("event_type", MINIMAL)
def test_the_schema_accepts_a_message_with_only_the_required_fields(event_type: str) -> None:
    assert accepts(message(event_type))


@pytest.mark.parametrize(
    ("event_type", "field"), [(event_type, field) for event_type, fields in MINIMAL.items() for field in fields]
)
def test_the_schema_refuses_a_message_without_a_required_field(event_type: str, field: str) -> None:
    assert not accepts(message_without(event_type, field))


@pytest.mark.parametrize("field", ["id", "timestamp"])
def test_the_schema_refuses_an_unknown_type_without_a_common_field(field: str) -> None:
    assert accepts(message("brand_new"))
    assert not accepts(message_without("brand_new", field))


@pytest.mark.parametrize(
    ("event_type", "fields"),
    [
        ("input", {"id": ""}),
        ("input", {"id": "x" * 256}),
        ("input", {"parent_event_id": 1}),
        ("input", {"timestamp": "2026-01-31 23:59:59Z"}),
        ("input", {"timestamp": "2026-01-31T23:59:59"}),
        ("brand_new", {"timestamp": "2026-01-31"}),
        ("events_dropped", {"count": 0}),
        ("events_dropped", {"count": 2**31}),
        ("", {}),
        ("x" * 256, {}),
    ],
)
def test_the_schema_refuses_invalid_values_as_the_decoder_does(event_type: str, fields: dict[str, Any]) -> None:
    assert not accepts(message(event_type, **fields))
