"""The command `prompt`."""

from typing import Any

import click
import msgspec

from agent_runs.cli.errors import Refused
from agent_runs.cli.options import run_argument
from agent_runs.cli.output import print_json, print_line, print_text, to_json
from agent_runs.cli.source import read, summary_of
from agent_runs.codec.canonical_json import text_of
from agent_runs.reader import Change, LlmCall, RunSource
from agent_runs.times import time_text


@click.command("prompt")
@run_argument
@click.option("--call", "number", type=click.IntRange(min=1), help="Which call, from 1. Default: the last one.")
@click.option("--diff", is_flag=True, help="Only what is new in the prompts since the call before, and the answer.")
@click.option("--raw", is_flag=True, help="Do not indent prompts that are JSON.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Text or JSON."
)
def prompt_command(run_id: str, number: int | None, diff: bool, raw: bool, output: str) -> None:  # noqa: FBT001
    """Show the exact prompt and answer of a model call.

    As text, characters that are not printable are escaped, and a prompt that is JSON is indented. The JSON has the
    exact texts, and the differences to the call before.

    \b
    Examples:
      agent-runs prompt booking-7 --call 2
      agent-runs prompt booking-7 --call 2 --diff
    """
    call = read(lambda source: _find(source, run_id, number))
    if output == "json":
        print_json(to_json(call).encode())
        return
    _print_heading(call)
    if diff:
        _print_changes(call)
    else:
        _print_section("system prompt", call.system_prompt, raw=raw)
        _print_section("user prompt", call.user_prompt, raw=raw)
    if call.raw_response is not None:
        _print_section("answer", call.raw_response, raw=raw)
    else:
        _print_section("error", call.error or "", raw=True)


async def _find(source: RunSource, run_id: str, number: int | None) -> LlmCall:
    """Return a call of a run.

    Raises:
        RunNotFound: the run does not exist.
        Refused: it has no such call.
    """
    await summary_of(source, run_id)
    found = await source.llm_call(run_id, number)
    if found is not None:
        return found
    last = await source.llm_call(run_id) if number is not None else None
    if last is None:
        raise Refused(f"the run {run_id!r} has no call of a language model")
    raise Refused(f"the run {run_id!r} has no call {number}: its last one is --call {last.number}")


def _print_heading(call: LlmCall) -> None:
    usage = f", usage {text_of(call.usage)}" if call.usage is not None else ""
    print_line(f"call {call.number}: {call.model}, event {call.seq}, {time_text(call.created_at)}{usage}", "bold")


def _print_section(name: str, text: str, *, raw: bool) -> None:
    print_line("")
    shown = None if raw else _indented(text)
    print_line(f"{name} ({len(text)} characters{', JSON' if shown else ''})", "dim")
    print_text(shown or text)


def _indented(text: str) -> str | None:
    """Return a JSON object or array on indented lines; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _print_changes(call: LlmCall) -> None:
    print_line("")
    if call.number == 1:
        print_line("the first call: all of its prompts are new; leave out --diff to see them", "dim")
    elif not call.changes:
        print_line("the prompts are equal to those of the call before", "dim")
    else:
        print_line(f"since call {call.number - 1}", "dim")
    print_changes(call.changes)


def print_changes(changes: list[Change], indent: str = "") -> None:
    """Print differences: where each is, and below it the lines that are gone and those that are new."""
    for change in changes:
        print_line(f"{indent}{change.path_text} {change.kind}")
        if change.kind != "added":
            print_text(_value_text(change.before), f"{indent}- ", "red")
        if change.kind != "removed":
            print_text(_value_text(change.after), f"{indent}+ ", "green")


def _value_text(value: Any) -> str:
    return value.removesuffix("\n") if isinstance(value, str) else text_of(value)
