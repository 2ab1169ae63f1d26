"""Reads a file of named queries: `-- name --` opens a block, and everything up to the next name is its text."""

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def load_queries(path: Path) -> Mapping[str, str]:
    """The queries of a file by their names.

    Raises:
        ValueError: a name is given twice, or text stands before the first name.
    """
    preamble, *blocks = _NAME.split(path.read_text(encoding="utf-8"))
    if any(line and not line.startswith("--") for line in preamble.splitlines()):
        raise ValueError(f"{path}: text before the first `-- name --`")
    names, texts = blocks[::2], blocks[1::2]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{path}: named twice: {', '.join(sorted(repeated))}")
    return dict(zip(names, (text.strip() for text in texts), strict=True))
