"""The error of a command that cannot do what it was asked."""

import click

from agent_runs.escaping import escape_line


class Refused(click.ClickException):
    """The command was used as documented, but the run, the question or the call does not allow it: exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:  # noqa: ARG002  # of the base class
        """Print the message; it may quote events."""
        lines = [escape_line(line) for line in self.message.split("\n")]
        click.echo("\n".join(["error: " + lines[0], *lines[1:]]), err=True)
