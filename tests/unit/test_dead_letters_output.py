"""The text output of `dead-letters`: what records contain is printed unchanged."""

import pytest

from agent_runs.codec.records import Reason
from consumer.cli.dead_letters_output import letter
from consumer.dead_letters.table import DeadLetter


def test_names_of_emojis_in_a_record_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = ":smile: [red]"
    found = DeadLetter(
        id=1,
        partition=0,
        offset=7,
        timestamp=0,
        key=text.encode(),
        value=text.encode(),
        headers=[(text, text.encode())],
        reason=Reason.NOT_JSON,
        detail=text,
        state="open",
        retries=0,
        created_at=0,
        updated_at=0,
    )

    letter(found, [])

    assert capsys.readouterr().out.count(text) == 6
