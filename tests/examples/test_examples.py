"""Every example runs and does what it says; short, from its fixed seed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"

# name → (epochs, what main must return at least). The bounds are well below what the seed gives, and well above
# guessing or doing nothing.
BOUNDS = {
    "fashion_convnet": (1, 0.6),
    "ecg_arrow_of_time": (3, 0.8),
    "brain_tissue": (6, 0.7),
    "custom_layer_and_loss": (8, 2.0),
}


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", BOUNDS)
def test_learns(name, capsys):
    epochs, least = BOUNDS[name]
    assert load(name).main(epochs) > least


@pytest.mark.parametrize(
    "name, expected",
    [("tutorial_conv1d", "(0×0)+(1×1)+(0×1)=1   the layer: 1"), ("tutorial_conv2d", "[0.0, 0.0, 3.0, 3.0, 0.0, 0.0]")],
)
def test_tutorial(name, expected):
    result = subprocess.run(
        [sys.executable, "-m", "simplecell", "run", FOLDER / f"{name}.py"], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout


def test_readme_names_every_example():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {p.name for p in FOLDER.glob("*.py")}
    assert names and all(f"`{name}`" in text for name in names)
    assert {f"{n}.py" for n in BOUNDS} < names
