"""Generates the JSON Schema of the message contract, for producers in other languages.

`python -m agent_runs.json_schema` prints it; `make schema` writes it to `schema/run_event.schema.json`.
"""

import sys
from inspect import cleandoc
from typing import Any

import msgspec

from agent_runs.events import EVENT_CLASSES, Event, RunEvent

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


def run_event_schema() -> dict[str, Any]:
    """Return the JSON Schema of one message, generated from the structs of `agent_runs.events`.

    The schema accepts some messages that `decode_event` refuses. For example, it counts an id's characters instead of
    its bytes, and accepts times that do not exist.
    """
    (reference, common), definitions = msgspec.json.schema_components([RunEvent, Event], ref_template="#/$defs/{name}")
    known = reference["anyOf"]
    unknown = definitions[common["$ref"].rpartition("/")[2]]
    # An event of a type outside this contract is valid if its common fields are valid.
    unknown["properties"]["type"] = {"type": "string", "not": {"enum": sorted(EVENT_CLASSES)}, **_id_limits(unknown)}
    for definition in definitions.values():
        definition["properties"]["timestamp"]["pattern"] = _TIMESTAMP
        definition["description"] = cleandoc(definition["description"])  # Python 3.13 removes the indentation itself
    return {
        "$schema": _DIALECT,
        "title": "RunEvent",
        "description": "The value of one record of the topic. The record's key is the run id, in UTF-8.",
        "anyOf": [*known, common],
        "$defs": dict(sorted(definitions.items())),
    }


def _id_limits(definition: dict[str, Any]) -> dict[str, int]:
    identifier = definition["properties"]["id"]
    return {"minLength": identifier["minLength"], "maxLength": identifier["maxLength"]}


def render() -> str:
    """Return the content of the schema file: formatted JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(run_event_schema())).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
