"""The arguments and options that select dead letters, and the `Filter` that they give."""

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any, Final

import click

from agent_runs import times
from agent_runs.codec.records import Reason
from consumer.dead_letters.table import STATES, Filter
from consumer.errors import UsageError

_Command = Callable[..., Any]


def parse_time(text: str) -> int:
    """Convert a time that `agent-runs` takes too to milliseconds since 1970."""
    try:
        return int(times.parse_time(text).timestamp() * 1000)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


LETTER_ID: Final = click.IntRange(min=0, max=2**63 - 1)
_REASON: Final = click.Choice([reason.value for reason in Reason])
_FILTERS: Final = (
    click.argument("ids", type=LETTER_ID, nargs=-1),
    click.option(
        "--reason", "reasons", multiple=True, type=_REASON, help="Only those refused for this reason; may be repeated."
    ),
    click.option("--partition", type=click.IntRange(min=0, max=2**31 - 1), help="Only those of this partition."),
    click.option("--run", "run_id", help="Only those of this run (the key of the record)."),
    click.option(
        "--since",
        type=parse_time,
        metavar="TIME",
        help="Only those refused at this time or later: 2026-01-31T23:59:59Z, or 1h for an hour ago.",
    ),
    click.option("--until", type=parse_time, metavar="TIME", help="Only those refused before this time."),
)
state_option: Final = click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only those in this state; may be repeated. Default: open, or any state with IDS.",
)
all_option: Final = partial(click.option, "--all", "all_", is_flag=True)


def filter_options(command: _Command) -> _Command:
    """Add the arguments and options that select dead letters to a command."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_FILTERS), command)


def filter_from(options: Mapping[str, Any]) -> Filter:
    """Return the filter for the options. Without `ids` and `states`, it selects open dead letters only."""
    conditions = {name: None if value == () else value for name, value in options.items()}  # () is click's default
    if not conditions.get("states") and not conditions["ids"]:
        conditions["states"] = ("open",)
    return Filter(**conditions)


def checked_filter(options: Mapping[str, Any], all_: bool) -> Filter:  # noqa: FBT001
    """Return the filter for the options.

    Raises:
        UsageError: the options have neither ids nor a condition, and `all_` is False.
    """
    filter_ = filter_from(options)
    if filter_.selects_all and not all_:
        raise UsageError("select dead letters: give IDS, a filter such as --reason, or --all")
    return filter_
