"""Options and arguments that several commands share."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import click

from agent_runs.times import parse_duration, parse_time


class Duration(click.ParamType[timedelta]):
    """A duration such as `90s`, `15m`, `1h` or `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Time(click.ParamType[datetime]):
    """A time as ISO 8601, in UTC if it has no offset; or a duration, so long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Label(click.ParamType[tuple[str, str]]):
    """A label such as `environment=test`."""

    name = "label"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return its name and its value."""
        if isinstance(value, tuple):
            return value
        name, separator, text = value.partition("=")
        if not separator:
            self.fail(f"{value!r} is not a label like environment=test", param, ctx)
        return name, text


class Positions(click.ParamType[dict[int, int]]):
    """The offset to begin at, by partition, such as `0:120,1:98`."""

    name = "positions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[int, int]:
        """Return the offsets by partition."""
        if isinstance(value, dict):
            return value
        if not re.fullmatch(r"\d{1,9}:\d{1,18}(,\d{1,9}:\d{1,18})*", value):
            self.fail(f"{value!r} does not have the form PARTITION:OFFSET[,PARTITION:OFFSET…]", param, ctx)
        return {int(partition): int(offset) for partition, offset in (part.split(":") for part in value.split(","))}


event_number: Final = click.IntRange(0, 2**31 - 1)
run_argument: Final = click.argument("run_id", metavar="RUN")
output_option: Final = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "jsonl"]),
    default="table",
    show_default=True,
    help="Text, one JSON document, or JSON lines.",
)


def wait_option(what: str) -> Callable[[Any], Any]:
    """Return the option `--wait` of a command that publishes: how long it waits until `what` is stored."""
    return click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        default=10,
        show_default=True,
        metavar="SECONDS",
        help=f"How long to wait until the {what} is stored.",
    )
