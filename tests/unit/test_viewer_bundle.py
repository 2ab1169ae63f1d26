"""The modules of the viewer as one script."""

import re
from pathlib import Path

import pytest

from viewer import bundle as bundles
from viewer.bundle import STATIC, bundle, modules_of


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundles, "STATIC", tmp_path)
    return tmp_path


def test_a_module_runs_after_those_that_it_imports_and_each_runs_once(static: Path) -> None:
    (static / "a.js").write_text('import { f, g } from "./b.js";\nimport { h } from "./c.js";\nf(g, h);\n')
    (static / "b.js").write_text(
        'import "./e.js";\nimport { h } from "./c.js";\nexport function f() { h(); }\nexport const g = 1;\n'
    )
    (static / "c.js").write_text("export class h {}\n")
    (static / "e.js").write_text("effect();\n")
    (static / "d.js").write_text("export function h() {}\n")

    script = bundle(("a.js",), {"c.js": "d.js"})

    assert re.findall(r'^modules\["(\w)\.js"\] =', script, re.MULTILINE) == ["e", "c", "b", "a"]
    assert 'const { f, g } = modules["b.js"];' in script
    assert "return { f, g };" in script
    assert "class h" not in script


@pytest.mark.parametrize(
    "text",
    [
        'import x from "./b.js";',
        'import * as b from "./b.js";',
        "export default 1;",
        "export let x;",
        'import("./b.js")',
    ],
)
def test_a_form_that_is_not_known_is_an_error(static: Path, text: str) -> None:
    (static / "a.js").write_text(text)
    with pytest.raises(ValueError, match=r"^a\.js: .* cannot be bundled$"):
        bundle(("a.js",), {})


@pytest.mark.parametrize("text", ["'</SCRIPT>'", "'<!--'"])
def test_a_script_cannot_end_the_element_that_holds_it(static: Path, text: str) -> None:
    (static / "a.js").write_text(text)
    with pytest.raises(ValueError, match="end of a script"):
        bundle(("a.js",), {})


def test_every_module_of_the_viewer_can_be_bundled() -> None:
    modules = {path.name for path in STATIC.glob("*.js") if not path.name.startswith("offline_")}
    assert "transcript.js" in modules
    for module in modules:  # the others import what they replace
        assert module in bundle((module,), {})


def test_the_modules_that_a_page_asks_for_at_once_are_all_that_its_script_needs() -> None:
    for module in ("transcript.js", "runs.js", "timeline.js"):
        needed = modules_of(module)
        assert "page.js" in needed
        assert len(set(needed)) == len(needed)
        for name in needed:
            assert set(modules_of(name)) <= set(needed)
