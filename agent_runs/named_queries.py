"""Reads a file of named SQL queries.

A line `-- name --` starts a query, which ends at the next such line or at the end of the file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def load_queries(path: Path) -> Mapping[str, str]:
    """Return the text of each query by its name. Comments of a query are part of its text.

    Raises:
        OSError: the file cannot be read.
        ValueError: two queries have the same name, or a line that is not a comment precedes the first name.
    """
    preamble, *blocks = _NAME.split(path.read_text(encoding="utf-8"))
    if any(line and not line.startswith("--") for line in preamble.splitlines()):
        raise ValueError(f"{path}: text before the first `-- name --`")
    names, texts = blocks[::2], blocks[1::2]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{path}: named twice: {', '.join(sorted(repeated))}")
    return dict(zip(names, (text.strip() for text in texts), strict=True))
