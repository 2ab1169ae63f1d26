"""The example messages in `schema/examples`, which producers in other languages can use as test data."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agent_runs import UnknownEvent, decode_event, encode_event
from agent_runs.events import EVENT_CLASSES

SCHEMA = Path(__file__).parents[2] / "schema"
EXAMPLES = sorted((SCHEMA / "examples").glob("*.json"))


def named(path: Path) -> str:
    return path.stem


def test_every_type_of_the_contract_has_one_example() -> None:
    assert [path.stem for path in EXAMPLES] == sorted(EVENT_CLASSES)


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_decodes_to_the_class_of_its_type(path: Path) -> None:
    event = decode_event(path.read_bytes())

    assert type(event) is EVENT_CLASSES[path.stem]
    assert event.type == path.stem


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_encoding_a_decoded_example_returns_the_same_json(path: Path) -> None:
    original = json.loads(path.read_bytes())
    event = decode_event(path.read_bytes())
    assert not isinstance(event, UnknownEvent)
    encoded = json.loads(encode_event(event))

    # The encoder writes `.250Z` as `.250000Z`, so timestamps are compared as times.
    assert datetime.fromisoformat(encoded["timestamp"]) == datetime.fromisoformat(original["timestamp"])
    assert encoded | {"timestamp": None} == original | {"timestamp": None}


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_is_valid_by_the_json_schema(path: Path) -> None:
    schema = json.loads((SCHEMA / "run_event.schema.json").read_text(encoding="utf-8"))

    Draft202012Validator(schema).validate(json.loads(path.read_bytes()))
