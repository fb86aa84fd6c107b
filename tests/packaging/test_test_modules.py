"""What tests share lies in modules of its own: no test module is imported by another, nor by a script in a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tests", "tools", "benchmarks", "examples")


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Each import in a module of this package, in the scripts that it holds as strings too: (line, the name in
    full)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value:
            try:
                script = ast.parse(dedent(node.value))
            except SyntaxError:
                continue
            yield from ((node.lineno, name) for _, name in imported(script, ""))


def of_a_test_module(name: str) -> bool:
    first, *others = name.split(".")
    return first == "tests" and any(part.startswith("test_") and _is_module(name, part) for part in others)


def _is_module(name: str, part: str) -> bool:
    path = ROOT.joinpath(*name.split(f".{part}")[0].split("."), part)
    return path.with_suffix(".py").exists() or path.is_dir()


def test_no_test_module_is_imported() -> None:
    found = []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        where = path.relative_to(ROOT)
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8")), ".".join(where.parent.parts)):
            if of_a_test_module(name):
                found.append(f"{where}:{line} imports {name}")
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import tests.packaging.{}",
        "from tests.packaging.{} import FOLDERS",
        "from tests.packaging import {} as t",
        "from .{} import FOLDERS",
        "from . import {}",
        "from ..packaging.{} import FOLDERS",
        'SCRIPT = """\\n    import sys\\n    from tests.packaging.{} import FOLDERS\\n"""',
        "def f():\n    from tests.packaging.{} import FOLDERS",
    ],
)
def test_every_way_to_import_one_is_seen(code: str) -> None:
    code = code.format("test_arrows")  # filled in here, lest this module be found
    assert [name for _, name in imported(ast.parse(code), "tests.packaging") if of_a_test_module(name)]


@pytest.mark.parametrize("code", ["from tests.engine.harness import run", "import pytest", "from . import something"])
def test_other_imports_are_not(code: str) -> None:
    assert not [name for _, name in imported(ast.parse(code), "tests.packaging") if of_a_test_module(name)]
