"""The exit codes of `agent-runs-consumer` for what ends it before a command has a result."""

import sys

import pytest

from consumer.cli.main import main
from consumer.cli.verify import verify_command


@pytest.mark.parametrize(
    ("arguments", "problem", "code", "sentence"),
    [
        (("verify",), KeyboardInterrupt(), 130, ""),
        (("verify",), ValueError("a bug"), 3, "a bug"),
        (("verify", "--sample", "0%"), None, 2, "'0%' is not a percentage"),
        (("verify", "--run", "\udcff"), None, 2, "is not text in the locale's encoding: set LC_ALL=C.UTF-8"),
        (("nonsense",), None, 2, "No such command 'nonsense'"),
        ((), None, 2, "Usage:"),
        (("verify", "--help"), None, 0, ""),
        (("verify",), None, 0, ""),
    ],
)
def test_a_command_ends_with_the_code_of_its_end(
    arguments: tuple[str, ...],
    problem: BaseException | None,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verify(**_: object) -> None:
        if problem is not None:
            raise problem

    monkeypatch.setattr(verify_command, "callback", verify)
    monkeypatch.setattr(sys, "argv", ["agent-runs-consumer", *arguments])

    with pytest.raises(SystemExit) as end:
        main()

    assert (end.value.code or 0) == code
    assert sentence in capsys.readouterr().err
