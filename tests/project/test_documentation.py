"""What the documentation shows runs, and what it lists is there."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import atomodm
from atomodm import errors
from tests.requirements import need_store

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#:]+)(?:#[^)]*)?\)")


def python_of(page: Path) -> list[str]:
    """The Python that a page shows, block by block, each at its line of the page, so that failures name the line."""
    text = page.read_text(encoding="utf-8")
    return ["\n" * text.count("\n", 0, match.start(1)) + match.group(1) for match in CODE.finditer(text)]


def pages_with_python() -> list[str]:
    return sorted(page.stem for page in DOCS.glob("*.md") if python_of(page))


def test_the_programs_in_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    (program,) = python_of(ROOT / "README.md")
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    # As `python -m people`: the names of models in the main program are warned of, see the next test.
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import program"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Bob Eve\nEve Bob\n"
    assert (tmp_path / "people.db").exists()


def test_the_program_in_the_readme_run_as_main_warns_of_its_models(tmp_path: Path) -> None:
    (program,) = python_of(ROOT / "README.md")
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert result.returncode == 0
    assert result.stdout == "Bob Eve\nEve Bob\n"
    assert "MainModelWarning" in result.stderr


@pytest.mark.parametrize("name", pages_with_python())
async def test_the_python_of_a_page_runs_from_top_to_bottom(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("redis"):
        need_store("redis")
    monkeypatch.chdir(tmp_path)
    page = DOCS / f"{name}.md"
    module = types.ModuleType(f"documented.{name.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in python_of(page):
        if "asyncio.run(main())" in block:
            block = block.replace("asyncio.run(main())", "await main()")
        code = compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        running: Any = eval(code, vars(module))
        if inspect.iscoroutine(running):
            await running


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


# -- lists -------------------------------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.AtomodmError]]:
    """Every error class, in the order of the source."""
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, errors.AtomodmError)]


def meaning(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split()).replace("``", "`")


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [cls.code for cls in error_classes()]
    assert len(set(codes)) == len(codes)


def test_the_page_of_errors_lists_each_error_with_its_code_and_meaning() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    expected = [
        f"| `{cls.code}` | `{cls.__name__}` | {meaning(cls)} | {'yes' if cls.retryable else ''} |"
        for cls in error_classes()
    ]
    assert [line for line in text.splitlines() if re.match(r"\| `[a-z_.]+` \| `[A-Z]", line)] == expected


def test_the_reference_has_every_public_name() -> None:
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"auto(?:class|function|data|exception):: atomodm\.(\w+)$", text, re.MULTILINE))
    public = {
        name for name in getattr(atomodm, "__all__", []) if not isinstance(getattr(atomodm, name), types.ModuleType)
    }
    assert documented == {name for name in public if not is_error(getattr(atomodm, name))}


def is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
