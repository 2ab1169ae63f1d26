"""The message contract as JSON Schema, for producers in other languages: `python -m agent_runs.json_schema`."""

import sys
from inspect import cleandoc
from typing import Any

import msgspec

from agent_runs.events import EVENT_CLASSES, Event, RunEvent

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


def run_event_schema() -> dict[str, Any]:
    """The schema of one message, generated from the structs of `agent_runs.events`."""
    (reference, common), definitions = msgspec.json.schema_components([RunEvent, Event], ref_template="#/$defs/{name}")
    known = reference["anyOf"]
    unknown = definitions[common["$ref"].rpartition("/")[2]]
    # A type that the reader does not know is legal: the common fields hold for it all the same.
    unknown["properties"]["type"] = {"type": "string", "not": {"enum": sorted(EVENT_CLASSES)}, **_id_limits(unknown)}
    for definition in definitions.values():
        definition["properties"]["timestamp"]["pattern"] = _TIMESTAMP
        definition["description"] = cleandoc(definition["description"])  # which Python does itself from 3.13 on
    return {
        "$schema": _DIALECT,
        "title": "RunEvent",
        "description": "The value of a record of the topic; its key is the run id.",
        "anyOf": [*known, common],
        "$defs": dict(sorted(definitions.items())),
    }


def _id_limits(definition: dict[str, Any]) -> dict[str, int]:
    identifier = definition["properties"]["id"]
    return {"minLength": identifier["minLength"], "maxLength": identifier["maxLength"]}


def render() -> str:
    """The schema as the text of a file."""
    return msgspec.json.format(msgspec.json.encode(run_event_schema())).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
