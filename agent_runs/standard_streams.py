"""Gives a program the standard streams that its parent has closed."""

import os
import sys
from pathlib import Path


def open_closed_streams() -> None:
    """Open the null device in place of stdout and stderr where they are closed, as some supervisors start a service.

    Python sets such a stream to None, and each write to it would be an error. Worse, the next file or socket that is
    opened would get its number, and the text that a library in C prints.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # until the process ends
