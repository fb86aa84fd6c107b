"""Imports go the way that docs/architecture.md draws, and never in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
TOP = {"simplecell", "simplecell.__main__"}
"""They only hand on names, or start the command line."""

LATE = {
    "llvmlite": "its library takes 70 ms and 60 MiB",
    "keras": "it is imported when the user does, after the backend is in place",
    "ml_dtypes": "NumPy has no bfloat16; few need it",
    "PIL": "pictures are looked at in few programs",
    "numpy": "the command line starts without it",
    "rich": "the command line's `--help` starts without it",
    "simplecell": "`import simplecell` and `import keras` do without the engine; a command without the others",
}
"""What may be imported inside of functions (standard library aside), and why."""


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in SOURCES.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(name: str) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports, and whether inside of a function. Those for type checkers alone are left
    out."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    def visit(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                around = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
                base = ".".join([*around, *([child.module] if child.module else [])])
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield full if full in modules() else base, inside
            yield from visit(child, inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    return visit(ast.parse(path.read_text(encoding="utf8")), False)


def graph(functions: bool) -> dict[str, set[str]]:
    """The package's modules that each imports; those inside of functions only if asked for."""
    return {
        name: {m for m, inside in imported(name) if m in modules() and m != name and (functions or not inside)}
        for name in modules()
    }


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other in a circle (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(v: str) -> None:
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in sorted(arrows[v]):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            component = stack[stack.index(v) :]
            del stack[stack.index(v) :]
            if len(component) > 1:
                found.append(sorted(component))

    for v in sorted(arrows):
        if v not in index:
            visit(v)
    return found


def drawn() -> dict[str, set[str]]:
    """The arrows of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
    block = re.search(r"<!-- arrows -->\n```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = (line.partition(":") for line in block.group(1).strip().splitlines())
    return {name.strip(): set(others.split()) for name, _, others in lines}


def package(module: str) -> str:
    parts = module.split(".")[1:]
    return "/".join(parts[:2]) if parts[0] == "engine" and len(parts) > 1 else parts[0]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}) == [["a", "b", "c"]]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(graph(functions=False)) == []
    assert circles(graph(functions=True)) == []


def test_imports_go_as_drawn() -> None:
    arrows = drawn()
    wrong = [
        f"{name} imports {other}"
        for name, others in graph(functions=True).items()
        if name not in TOP | {"simplecell.engine"}
        for other in others - TOP
        if package(other) != package(name) and package(other) not in arrows[package(name)]
    ]
    assert wrong == []


def test_arrows_are_needed() -> None:
    """What is drawn and no module uses is out of date."""
    used = {
        (package(n), package(o)) for n, others in graph(functions=True).items() if n not in TOP for o in others - TOP
    }
    assert [(a, b) for a, others in drawn().items() for b in others if (a, b) not in used] == []


def test_late_imports_have_a_reason() -> None:
    import sys

    standard = sys.stdlib_module_names
    late = {m.partition(".")[0] for name in modules() for m, inside in imported(name) if inside}
    assert late - set(standard) - set(LATE) == set()
