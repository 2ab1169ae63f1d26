"""The lists of commands in the help texts have whole sentences."""

import click
import pytest

import agent_runs.cli.main
import consumer.cli.main

WIDTH = 64  # what click leaves for a sentence at a width of 80 columns, beside the longest names of commands


def groups(group: click.Group) -> list[click.Group]:
    return [
        group,
        *(each for child in group.commands.values() if isinstance(child, click.Group) for each in groups(child)),
    ]


@pytest.mark.parametrize("program", [agent_runs.cli.main.cli, consumer.cli.main.cli])
def test_no_sentence_in_a_list_of_commands_is_cut(program: click.Group) -> None:
    commands = [command for group in groups(program) for command in group.commands.values()]

    assert len(commands) > 10
    assert [text for command in commands if (text := command.get_short_help_str(WIDTH)).endswith("...")] == []
