"""The command `completion`."""

from typing import Final

import click
from click.shell_completion import get_completion_class

_VARIABLE: Final = "_AGENT_RUNS_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell.

    \b
    Examples:
      agent-runs completion bash
      agent-runs completion zsh

    Load it in the shell's start-up file: eval "$(agent-runs completion bash)"; in fish:
    agent-runs completion fish | source
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"click does not know the shell {shell!r}")
    root = context.find_root()
    click.echo(completion(root.command, {}, root.info_name or "agent-runs", _VARIABLE).source())
