"""What the project says about itself is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import simplecell

ROOT = Path(__file__).resolve().parents[2]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_commands_are_what_ci_runs():
    readme, ci = read("README.md"), read(".ci/run")
    assert "\npip install . && simplecell tour\n" in readme
    assert "\npip install '.[test]' && pytest\n" in readme and "\npip install '.[test]' && pytest\n" in ci
    stated = int(re.search(r"takes (\d+) MB", readme)[1])
    assert stated <= 400 and "limit_mb=400" in ci


def test_versions_agree():
    assert f'version = "{simplecell.__version__}"' in read("pyproject.toml")
    assert f"## {simplecell.__version__}" in read("CHANGELOG.md")


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md"))), "examples/README.md"]
)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)#]+)\)", read(page)):
        assert link.startswith("http") or (folder / link).exists(), link


def test_every_setting_is_documented():
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    settings = set(re.findall(r'"(SIMPLECELL_[A-Z_]+)"', source))
    page = read("docs/command-line.md")
    assert settings and all(f"`{name}`" in page for name in settings), settings


def test_light_imports():
    """`import simplecell` loads none of the heavy modules; they come on first use."""
    code = (
        "import sys, simplecell; print([m for m in ('keras', 'llvmlite', 'PIL', 'rich', 'click', 'h5py') if m "
        "in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_works_without_the_others():
    """Neither JAX nor SciPy, TensorFlow or PyTorch is imported by a program that trains."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('jax', 'scipy', 'tensorflow', 'torch'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import simplecell, keras, numpy as np\n"
        "m = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), "
        "keras.layers.Dense(1)])\n"
        "m.compile('sgd', 'mse'); m.fit(np.ones((4, 6, 6, 1)), np.ones((4, 1)), verbose=0); print('trained')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "trained", result.stderr


def test_every_page_is_in_the_index():
    index = read("docs/index.md")
    assert all(f"({p.name})" in index for p in (ROOT / "docs").glob("*.md") if p.name != "index.md")
