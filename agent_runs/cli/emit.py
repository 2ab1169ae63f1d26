"""The command `emit`."""

import asyncio
import json
from typing import Any

import click

from agent_runs.cli.options import run_argument
from agent_runs.cli.output import print_line
from agent_runs.errors import UnreadableEvent
from agent_runs.events import EVENT_CLASSES
from agent_runs.ids import id_problem
from agent_runs.publishing.single_events import build_event, publish_event


@click.command("emit")
@run_argument
@click.argument("type", metavar="TYPE")
@click.argument("fields", metavar="[JSON]", required=False, default="{}")
@click.option("--parent", metavar="EVENT", help="The event of the same run that caused this one.")
@click.option("--unknown", is_flag=True, help="Allow a TYPE that is not part of the contract.")
def emit_command(run_id: str, type: str, fields: str, parent: str | None, unknown: bool) -> None:  # noqa: FBT001
    """Publish one event of a run, for shell scripts.

    JSON has the fields of the event's TYPE. The event gets an id and the time unless JSON has them. The command prints
    the id when Kafka has acknowledged the event.

    \b
    Examples:
      agent-runs emit backup-1 run_started '{"agent_id": "backup"}'
      agent-runs emit backup-1 run_failed '{"error": "the disk is full"}'
    """
    if problem := id_problem(run_id):
        raise click.UsageError(f"the id of the run {problem}")
    if type not in EVENT_CLASSES and not unknown:
        raise click.UsageError(f"{type!r} is none of the types {', '.join(EVENT_CLASSES)}; --unknown allows it")
    given = {**_parsed(fields), "type": type, **({"parent_event_id": parent} if parent else {})}
    try:
        event = build_event(given)
    except UnreadableEvent as error:
        raise click.UsageError(f"not a valid event: {error}") from error
    asyncio.run(publish_event(run_id, event))
    print_line(event.id)


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"JSON: {error}") from error
    if not isinstance(fields, dict):
        raise click.UsageError("JSON must be an object with the fields of the event")
    return fields
