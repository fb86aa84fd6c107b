"""The slot: who has to come first, what is said otherwise, and what importing does not do. Each in a process of its
own."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)


def test_keras_runs_on_simplecell():
    result = run(
        "import simplecell, keras; print(keras.backend.backend(), keras.src.backend.Variable.__mro__[1].__module__)"
    )
    assert result.stdout.split() == ["numpy", "simplecell.keras_backend.variable"], result.stderr


def test_import_simplecell_is_light():
    result = run(
        "import sys, simplecell; print([m for m in ('keras', 'llvmlite', 'PIL', 'rich', 'jax', 'scipy') if m in "
        "sys.modules])"
    )
    assert result.stdout.strip() == "[]", result.stderr


def test_keras_does_without_engine_and_foreign_libraries():
    heavy = "('llvmlite', 'jax', 'scipy', 'tensorflow', 'torch', 'simplecell.engine')"
    result = run(f"import sys, simplecell, keras; print([m for m in {heavy} if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    "first", ["simplecell.keras_backend.core", "simplecell.keras_backend.numpy", "simplecell.keras_backend.trainer"]
)
def test_any_module_may_come_first(first):
    result = run(
        f"import {first} as ours, keras, importlib as i; print(i.import_module('keras.src.backend.numpy{first[24:]}') "
        "is ours)"
    )
    assert result.stdout.strip() == "True", result.stderr


@pytest.mark.parametrize("backend", ["numpy", ""])
def test_the_environment_is_put_back(backend):
    code = "import os, simplecell, keras; print(repr(os.environ.get('KERAS_BACKEND')))"
    assert run(code).stdout.strip() == "None"
    assert run(code, KERAS_BACKEND=backend).stdout.strip() == repr(backend)


ASKS = {
    "shell": "",
    "script": "os.environ['KERAS_BACKEND'] = 'jax'",
    "setdefault": "os.environ.setdefault('KERAS_BACKEND', 'jax')",
}


@pytest.mark.parametrize("how", ASKS)
def test_another_backend_is_an_error(how):
    environment = {"KERAS_BACKEND": "jax"} if how == "shell" else {}
    result = run(f"import os, simplecell\n{ASKS[how]}\nprint('imported')\nimport keras", **environment)
    assert result.returncode == 1 and result.stdout == "imported\n"
    error = result.stderr.splitlines()[-1]
    assert error.startswith("ImportError: KERAS_BACKEND=jax asks Keras for another backend, after `import simplecell`")
    assert "leave out the line that sets KERAS_BACKEND (or unset it in the shell" in error
    assert "simplecell run SCRIPT.py" in error and "To run on 'jax', leave out `import simplecell`" in error


def test_keras_can_be_imported_once_the_environment_is_right():
    code = """
import os, simplecell
os.environ["KERAS_BACKEND"] = "jax"
try: import keras
except ImportError: print("refused")
del os.environ["KERAS_BACKEND"]
import keras
print(keras.src.backend.Variable.__mro__[1].__module__)
"""
    result = run(code)
    assert result.stdout == "refused\nsimplecell.keras_backend.variable\n", result.stderr


def test_what_keras_does_not_read_changes_nothing():
    """`putenv`, which `os.environ` does not see, and the environment after the import."""
    code = (
        "import os, simplecell; os.putenv('KERAS_BACKEND', 'jax'); import keras; os.environ['KERAS_BACKEND'] "
        "= 'torch'; import keras.layers; "
    )
    result = run(code + "print(keras.backend.backend(), os.environ['KERAS_BACKEND'])")
    assert (result.stdout, result.stderr) == ("numpy torch\n", "")


def test_set_backend_cannot_leave_simplecell():
    code = """
import simplecell, keras
layer = keras.layers.Dense
assert keras.config.set_backend("numpy") is None and "Reload" in keras.config.set_backend.__doc__
try: keras.config.set_backend("jax")
except RuntimeError as error: print(error)
import keras
print(keras.layers.Dense is layer)
"""
    first, last = run(code).stdout.splitlines()
    assert first.startswith(
        "keras.config.set_backend('jax'): Keras runs on simplecell in this process, and cannot leave it. Leave out the "
        "call"
    )
    assert last == "True"


INSISTING = """
import sys
from simplecell.keras_backend.install import install
install(insist=True)
{}
import keras
print(keras.src.backend.Variable.__mro__[1].__module__, os.environ.get("KERAS_BACKEND"))
import subprocess
sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))
"""
OVERRIDES = {  # how it is asked for → what is said, what the environment is then
    "shell": ("the environment sets KERAS_BACKEND=jax", "jax"),
    "script": ("the script sets KERAS_BACKEND=jax", "jax"),
    "setdefault": ("the script sets KERAS_BACKEND=jax", "jax"),
    "keras.json": ("keras.json says 'jax'", "None"),
    "Keras's own keras.json": ("", "None"),
    "set_backend": ("the script calls keras.config.set_backend('jax')", "None"),
}


@pytest.mark.parametrize("how", OVERRIDES)
def test_where_simplecell_insists_it_says_once_what_it_overrides(tmp_path, how):
    said, left = OVERRIDES[how]
    (tmp_path / "keras.json").write_text(f'{{"backend": "{"jax" if how == "keras.json" else "tensorflow"}"}}')
    asks = "import keras; keras.config.set_backend('jax')" if how == "set_backend" else ASKS.get(how, "")
    environment = {"KERAS_BACKEND": "jax"} if how == "shell" else {}
    # the script, and once more as its own child
    code = (
        f"import os, sys\nsys.argv = ['', '-c', 'import os' + {INSISTING!r}.format({asks!r}).partition('import "
        "sub')[0]]" + INSISTING.format(asks)
    )
    result = run(code, KERAS_HOME=str(tmp_path), **environment)
    assert result.stdout.splitlines() == [f"simplecell.keras_backend.variable {left}"] * 2, result.stderr
    assert result.stderr.count("\n") == bool(said) and said in result.stderr
    assert (
        not said
        or result.stderr.startswith("simplecell: ")
        and result.stderr.endswith("; Keras runs on simplecell all the same.\n")
    )


def test_nobody_to_say_it_to():
    code = (
        "import os, sys; os.environ['KERAS_BACKEND'] = 'jax'; from simplecell.keras_backend.install import "
        "install; install(insist=True)\n"
    )
    assert run(code + "sys.stderr.close(); import keras; print(keras.backend.backend())").stdout == "numpy\n"
    assert run(code + "sys.stderr = None; import keras; print(keras.backend.backend())").stdout == "numpy\n"


def test_a_module_that_is_changed_is_like_others():
    code = """
import inspect, simplecell
import keras.src.utils.backend_utils as module
loader = module.__spec__.loader
print("def set_backend" in inspect.getsource(module), type(loader).__name__, module.__loader__ is loader)
"""
    assert run(code).stdout.split() == ["True", "SourceFileLoader", "True"]


def test_keras_first_is_an_error():
    # Stands for a loaded Keras: importing a real one needs another backend's library.
    code = (
        "import sys, types; sys.modules['keras.src.backend'] = types.ModuleType('b'); c = "
        "types.ModuleType('c'); c._BACKEND = 'torch'\n"
    )
    result = run(code + "sys.modules['keras.src.backend.config'] = c; import simplecell")
    assert "ImportError" in result.stderr
    assert "`simplecell` has to be imported before `keras`" in result.stderr
    assert "'torch' backend" in result.stderr


def test_installing_twice_does_nothing():
    code = (
        "import sys, simplecell; from simplecell.keras_backend.install import install; n = "
        "len(sys.meta_path); install(); "
    )
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
        "import sys; [getattr(m, '__warningregistry__', 0) for m in list(sys.modules.values())]; assert 'h5py._hl' not "
        "in sys.modules",
        "import threading, h5py; t = [threading.Thread(target=lambda: h5py.File) for _ in range(4)]; [x.start() for x "
        "in t]; [x.join() for x in t]; h5py.File",
    ],
)
def test_modules_that_are_loaded_later_are_like_others(use):
    result = run(f"import simplecell, keras; {use}")
    assert result.returncode == 0 and not result.stderr, result.stderr
