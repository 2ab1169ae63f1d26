"""The options that select runs, which `verify` and `rebuild` share."""

import re
from collections.abc import Callable
from functools import reduce
from secrets import randbits
from typing import Any, Final, TypeVar

import click

from consumer.errors import UsageError
from consumer.postgres.session import Session
from consumer.verify.difference import Difference
from consumer.verify.pages import ALL, Selection
from consumer.verify.runs import given_without_row

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Share(click.ParamType[int]):
    """A percentage such as `1%` or `0.5%`, as millionths."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the share in millionths."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value), re.ASCII)
        millionths = round(float(match[1]) * 10_000) if match else 0
        if not 0 < millionths <= ALL:
            self.fail(f"{value!r} is not a percentage from 0.0001% to 100%, such as 1%", param, ctx)
        return millionths


_OPTIONS: Final = (
    click.option("--run", "ids", multiple=True, metavar="ID", help="Only this run. May be given several times."),
    click.option(
        "--from",
        "after",
        default="",
        metavar="ID",
        help="Only runs with ids after this one: continue where it stopped.",
    ),
)


def selection_options(command: _Command) -> _Command:
    """Add `--run` and `--from` to a command, which gets them as `ids` and `after`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


def selection(ids: tuple[str, ...], after: str, millionths: int = ALL) -> Selection:
    """Return the selection that the options describe. A share of the runs is another one each time."""
    return Selection(after=after, ids=ids or None, millionths=millionths, seed=randbits(31))


async def check_given(session: Session, selected: Selection) -> list[Difference]:
    """Return a difference for each run of `--run` that has events, but no row.

    Raises:
        UsageError: a run of `--run` does not exist.
    """
    differences, unknown = await given_without_row(session, selected)
    if unknown:
        raise UsageError("\n".join(f"there is no run {run_id!r}" for run_id in unknown))
    return differences
