"""Reads the imports of the modules in `static`, and makes one script of them for a page without a server.

For that script, each module becomes a function that returns its exports, in the order in which the modules need each
other. Only the forms of `import` and `export` that the modules use are known; another one is an error here, not in the
browser.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"

_IMPORT: Final = re.compile(r'^import (?:\{ ([\w, ]+) \} from )?"\./([\w.]+)";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(import|export)\b.*$|\bimport\(", re.MULTILINE)


def bundle(entries: tuple[str, ...], replaced: Mapping[str, str]) -> str:
    """Return a module without imports that does what these modules do.

    Args:
        entries: the modules, which run in this order.
        replaced: the modules that stand in for others, by the name of the other.

    Raises:
        ValueError: a module has an import or an export of another form, or would end the `<script>` that holds it.
    """
    made: dict[str, str] = {}
    for name in entries:
        _add(name, replaced, made)
    script = "const modules = {};\n" + "".join(made.values())
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("a module contains the end of a script, or the begin of a comment of HTML")
    return script


@cache
def modules_of(entry: str) -> list[str]:
    """Return the modules that a module imports, directly or not; so a page can ask for all of them at once."""
    found: list[str] = []
    left = [entry]
    while left:
        text = (STATIC / left.pop()).read_text(encoding="utf-8")
        new = [imported[2] for imported in _IMPORT.finditer(text) if imported[2] not in found]
        found += new
        left += new
    return found


def _add(name: str, replaced: Mapping[str, str], made: dict[str, str]) -> None:
    """Add a module after those that it imports."""
    if name in made:
        return
    text = (STATIC / replaced.get(name, name)).read_text(encoding="utf-8")
    for imported in _IMPORT.finditer(text):
        _add(imported[2], replaced, made)
    exports = [match[1] for match in _EXPORT.finditer(text)]
    text = _IMPORT.sub(_names, _EXPORT.sub("", text))
    if other := _OTHER.search(text):
        raise ValueError(f"{name}: {other[0]!r} is a form of import or export that cannot be bundled")
    # `await`, because a module may wait at its top level, and those after it run later.
    made[name] = f'modules["{name}"] = await (async () => {{\n{text}\nreturn {{ {", ".join(exports)} }};\n}})();\n'


def _names(imported: re.Match[str]) -> str:
    """Return the statement that takes the names of an import from the module."""
    return "" if imported[1] is None else f'const {{ {imported[1]} }} = modules["{imported[2]}"];'
