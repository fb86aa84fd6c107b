"""pytest plugin that prepares Keras's own tests for simplecell: see `run.py`."""

from __future__ import annotations

import builtins
import fnmatch
import importlib.util
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

import simplecell  # noqa: F401  (before Keras)

# isort: split
from keras.src import backend, ops
from keras.src.testing import test_case

EXPECTED = tomllib.loads((Path(__file__).parent / "expected.toml").read_text())["expected"]


# --- training checks on: Keras's test case leaves them out by the backend's name --------------------------------------


class _NamedOtherwise(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(backend, name)

    def backend(self) -> str:
        return "simplecell"


test_case.backend = _NamedOtherwise("backend")


conftest = types.ModuleType("conftest")  # of Keras's repository, which the wheel leaves out
conftest.skip_if_backend = lambda given_backend, reason: lambda test: test  # type: ignore[attr-defined]
sys.modules["conftest"] = conftest


# --- libraries that some test files import but most of their tests do not use -----------------------------------------

_OPTIONAL = [
    name
    for name in ("jax", "tensorflow", "torch", "grain", "scipy", "pandas", "sklearn")
    if importlib.util.find_spec(name) is None
]
_running = False


class _Missing:
    """Stands for a library (or a part of one) that is not installed; using it inside a test skips the test."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _running:
            pytest.skip(f"needs {self._name.split('.')[0]}")
        return self

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (object,)


_import = builtins.__import__


def _lenient_import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    root = name.split(".")[0]
    importer = (globals or {}).get("__name__", "")
    if level == 0 and root in _OPTIONAL and importer.rpartition(".")[2].endswith("_test"):
        return _Missing(name if fromlist else root)
    return _import(name, globals, locals, fromlist, level)


builtins.__import__ = _lenient_import


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    global _running
    _running = True
    try:
        return (yield)
    finally:
        _running = False


_NOT_THERE = re.compile(
    r"requires the '?([\w-]+)'? (?:module|package)|No module named '(\w+)|requires(?: installing)? (TensorFlow)"
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    if report.when == "call" and report.failed:  # Keras met something of a library that is not there
        missing = _NOT_THERE.search(report.longreprtext)
        if missing is not None:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, f"Skipped: needs {next(filter(None, missing.groups()))}")
    return report


# --- what is expected -------------------------------------------------------------------------------------------------

_ABOUT_NUMPY = re.compile(r"numpy|trainable backend|training", re.IGNORECASE)


def _name(item: pytest.Item) -> str:
    return item.nodeid.split("keras/src/")[-1]


def _skips_for_numpy(mark: pytest.Mark) -> bool:
    reason = mark.kwargs.get("reason", "")
    return mark.name == "skipif" and _ABOUT_NUMPY.search(reason) is not None and "sparse" not in reason


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for module in {item.getparent(pytest.Module) for item in items}:
        dataset = getattr(module and module.obj, "TestPyDataset", None)
        if dataset is not None and "CPU_DEVICES" in dataset.__getitem__.__code__.co_varnames:
            dataset.__getitem__ = lambda self, index: (
                ops.ones((5, 4)),
                ops.zeros((5, 3)),
            )  # theirs knows the devices of three backends
    for item in items:
        for node in item.listchain():
            node.own_markers[:] = [m for m in node.own_markers if not _skips_for_numpy(m)]
        for entry in EXPECTED:
            if any(fnmatch.fnmatch(_name(item), pattern) for pattern in entry["tests"]):
                skipped = entry["outcome"] == "skip"
                item.add_marker(
                    pytest.mark.skip(entry["reason"])
                    if skipped
                    else pytest.mark.xfail(reason=entry["reason"], strict=True)
                )
