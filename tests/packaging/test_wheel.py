"""What `.ci/run` says about a wheel and a source distribution whose contents are not as they should be."""

import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "check_wheel.py"))
expected, faults = TOOL["expected"], TOOL["faults"]
SOURCE = {f"simplecell-1/{n}" for n in ("pyproject.toml", "README.md", "LICENSE", *(f"src/{n}" for n in expected()))}


def test_the_packages_own_files_are_what_a_wheel_holds():
    assert {"simplecell/py.typed", "simplecell/tour/page.css", "simplecell/data/files/ecg.npz"} <= expected()
    assert faults([*expected(), "simplecell-1.dist-info/RECORD"], SOURCE) == []


@pytest.mark.parametrize("name", ["simplecell/py.typed", "simplecell/data/files/brain.npz"])
def test_what_is_missing_is_named(name):
    assert faults(expected() - {name}, SOURCE) == [f"the wheel lacks {name}"]
    assert faults(expected(), SOURCE - {f"simplecell-1/src/{name}"}) == [f"the source distribution lacks src/{name}"]


@pytest.mark.parametrize("name", ["tests/conftest.py", "simplecell/ops/__pycache__/base.cpython-311.pyc"])
def test_what_does_not_belong_is_named(name):
    assert faults(expected() | {name}, SOURCE) == [f"the wheel has {name}, which is no file of the package"]
