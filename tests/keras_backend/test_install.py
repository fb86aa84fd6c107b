"""The slot: who has to come first, what is said otherwise, and what importing does not do. Each in a process of its own."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)


def test_keras_runs_on_simplecell():
    result = run("import simplecell, keras; print(keras.backend.backend(), keras.src.backend.Variable.__mro__[1].__module__)")
    assert result.stdout.split() == ["numpy", "simplecell.keras_backend.variable"], result.stderr


def test_import_simplecell_is_light():
    result = run("import sys, simplecell; print([m for m in ('keras', 'llvmlite', 'PIL', 'rich', 'jax', 'scipy') if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


def test_keras_does_without_engine_and_foreign_libraries():
    heavy = "('llvmlite', 'jax', 'scipy', 'tensorflow', 'torch', 'simplecell.engine')"
    result = run(f"import sys, simplecell, keras; print([m for m in {heavy} if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize("first", ["simplecell.keras_backend.core", "simplecell.keras_backend.numpy", "simplecell.keras_backend.trainer"])
def test_any_module_may_come_first(first):
    result = run(f"import {first} as ours, keras, importlib as i; print(i.import_module('keras.src.backend.numpy{first[24:]}') is ours)")
    assert result.stdout.strip() == "True", result.stderr


@pytest.mark.parametrize("backend", ["numpy", ""])
def test_the_environment_is_put_back(backend):
    code = "import os, simplecell, keras; print(repr(os.environ.get('KERAS_BACKEND')))"
    assert run(code).stdout.strip() == "None"
    assert run(code, KERAS_BACKEND=backend).stdout.strip() == repr(backend)


def test_another_backend_in_the_environment_is_an_error():
    result = run("import simplecell", KERAS_BACKEND="jax")
    assert "ImportError" in result.stderr
    assert "KERAS_BACKEND=jax" in result.stderr
    assert "Unset KERAS_BACKEND" in result.stderr


def test_keras_first_is_an_error():
    # Stands for a loaded Keras: importing a real one needs another backend's library.
    code = "import sys, types; sys.modules['keras.src.backend'] = types.ModuleType('b'); c = types.ModuleType('c'); c._BACKEND = 'torch'\n"
    result = run(code + "sys.modules['keras.src.backend.config'] = c; import simplecell")
    assert "ImportError" in result.stderr
    assert "`simplecell` has to be imported before `keras`" in result.stderr
    assert "'torch' backend" in result.stderr


def test_installing_twice_does_nothing():
    code = "import sys, simplecell; from simplecell.keras_backend.install import install; n = len(sys.meta_path); install(); "
    assert run(code + "print(len(sys.meta_path) - n)").stdout.strip() == "0"


def test_files_tables_and_plots_are_loaded_when_they_are_used(tmp_path):
    code = """
import sys, simplecell, keras
def loaded(): return [m for m in ("h5py._hl", "rich.segment", "matplotlib.rcsetup") if m in sys.modules]
print(loaded())
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
model.save(sys.argv[1])
print(loaded())
model.summary()
print(loaded())
"""
    result = run(f"import sys; sys.argv.append({str(tmp_path / 'model.keras')!r})\n" + code)
    lines = [line for line in result.stdout.splitlines() if line.startswith("[")]
    assert lines == ["[]", "['h5py._hl']", "['h5py._hl', 'rich.segment']"], result.stderr


@pytest.mark.parametrize(
    "use",
    [
        "import h5py._hl.files as part, h5py as whole; assert part.File is whole.File and whole._hl.files is part",
        "from rich.console import Console; Console()",
        "import rich.console as c; assert 'Console' in dir(c) and c.__spec__.loader.get_source('rich.console')",
        "import h5py, types; h5py.File; assert type(h5py) is types.ModuleType",
        "import h5py; assert not hasattr(h5py, 'no_such_thing')",
        "import sys; [getattr(m, '__warningregistry__', 0) for m in list(sys.modules.values())]; assert 'h5py._hl' not in sys.modules",
        "import threading, h5py; t = [threading.Thread(target=lambda: h5py.File) for _ in range(4)]; [x.start() for x in t]; [x.join() for x in t]; h5py.File",
    ],
)
def test_modules_that_are_loaded_later_are_like_others(use):
    result = run(f"import simplecell, keras; {use}")
    assert result.returncode == 0 and not result.stderr, result.stderr
