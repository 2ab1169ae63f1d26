"""The check of the arguments of a command, before click reads them."""

from collections.abc import Sequence

import click

from agent_runs.codec.lossy_json import LONE_SURROGATE


def check_encoding(arguments: Sequence[str]) -> None:
    """Require that each argument is text; Python replaces bytes that are not by lone surrogates.

    Raises:
        click.UsageError: one is not.
    """
    for argument in arguments:
        if LONE_SURROGATE.search(argument):
            raise click.UsageError(f"{argument!a} is not text in the locale's encoding: set LC_ALL=C.UTF-8")
