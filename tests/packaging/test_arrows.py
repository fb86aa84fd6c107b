"""Imports go the way that docs/architecture.md draws, and never in a circle."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
TOP = {"simplecell", "simplecell.__main__"}
"""They only hand on names, or start the command line."""

LATE = {
    "llvmlite": ({"engine/build", "engine/host", "engine/machine"}, "its library takes 70 ms and 60 MiB"),
    "keras": (
        {"keras_backend", "inspection", "data"},
        "these parts of it import the backend, or come with the user's import; most data needs none of it",
    ),
    "ml_dtypes": ({"ops"}, "NumPy has no bfloat16; few need it"),
    "PIL": ({"data", "drawing"}, "pictures are read and written in few programs"),
    "rich": ({"drawing"}, "most of drawing makes arrays of pixels"),
    "simplecell.engine": (
        {"engine/algorithms", "engine/build", "engine/machine", "keras_backend", "program", "tour"},
        "`import keras` does without the engine, kernels that are on disk without the compiler",
    ),
    "simplecell.graph.listing": ({"graph"}, "few networks are printed"),
    "simplecell.keras_backend": ({"program", "inspection", "cli"}, "Keras is imported when the user does"),
    "simplecell.cli": ({"cli"}, "`simplecell run` starts without the other commands"),
    "simplecell.tour": ({"cli"}, "`simplecell run` starts without the tour"),
}
"""What may be imported inside of functions (standard library aside): by which packages, and why."""


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in SOURCES.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@cache
def imported(name: str) -> tuple[tuple[str, str], ...]:
    """The modules that a module imports, and when: "start", "call" (inside of a function) or "types" (for type checkers
    alone)."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    def visit(node: ast.AST, when: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, when) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                around = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
                base = ".".join([*around, *([child.module] if child.module else [])])
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield full if full in modules() else base, when
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                yield from visit(child, "types")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                yield from visit(child, "call")
            else:
                yield from visit(child, when)

    return tuple(visit(ast.parse(path.read_text(encoding="utf8")), "start"))


def graph(*times: str) -> dict[str, set[str]]:
    """The package's modules that each imports at these times."""
    return {
        name: {m for m, when in imported(name) if m in modules() and m != name and when in times} for name in modules()
    }


def libraries() -> set[tuple[str, str]]:
    """Each library that is not Python's own, with each package that imports it."""
    own = {*sys.stdlib_module_names, "simplecell"}
    return {
        (library, package(name))
        for name in modules().keys() - TOP
        for library in (m.partition(".")[0] for m, _ in imported(name))
        if library not in own
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


def drawn(what: str = "arrows") -> dict[str, set[str]]:
    """A list of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
    block = re.search(rf"<!-- {what} -->\n```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = (line.partition(":") for line in block.group(1).strip().splitlines())
    return {name.strip(): set(others.split()) for name, _, others in lines}


def package(module: str) -> str:
    parts = module.split(".")[1:]
    return "/".join(parts[:2]) if parts[0] == "engine" and len(parts) > 1 else parts[0]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}) == [["a", "b", "c"]]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(graph("start", "call")) == []


def test_each_package_stands_below_what_it_imports() -> None:
    above: set[str] = set()
    for name, others in drawn().items():
        assert others <= above, f"{name} names {others - above}, which is no line above it"
        above.add(name)


def test_imports_go_as_drawn() -> None:
    arrows = drawn()
    wrong = [
        f"{name} imports {other}"
        for name, others in graph("start", "call", "types").items()
        if name not in TOP | {"simplecell.engine"}
        for other in others - TOP
        if package(other) != package(name) and package(other) not in arrows[package(name)]
    ]
    assert wrong == []


def test_arrows_are_needed() -> None:
    """What is drawn and no module uses is out of date."""
    used = {
        (package(n), package(o))
        for n, others in graph("start", "call", "types").items()
        if n not in TOP
        for o in others - TOP
    }
    assert [(a, b) for a, others in drawn().items() for b in others if (a, b) not in used] == []


def test_libraries_are_imported_where_it_is_said() -> None:
    said = {(library, name) for library, names in drawn("libraries").items() for name in names}
    assert {pair for pair in libraries() if pair[0] != "numpy"} == said


def test_late_imports_have_a_reason() -> None:
    late = {
        (module, package(name))
        for name in modules().keys() - TOP
        for module, when in imported(name)
        if when == "call" and module.partition(".")[0] not in sys.stdlib_module_names
    }
    allowed = {(m, who) for m, who in late for n, (by, _) in LATE.items() if f"{m}.".startswith(f"{n}.") and who in by}
    assert late - allowed == set()
    needed = {(n, who) for n in LATE for m, who in late if f"{m}.".startswith(f"{n}.")}
    assert {(n, who) for n, (by, _) in LATE.items() for who in by} - needed == set()
