import os
import subprocess
import sys

import pytest

import simplecell
from simplecell.cli.commands import COMMANDS


def call(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "simplecell", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        "import sys\n"
        "import helper\n"
        "import keras\n"
        "layer = keras.layers.Conv1D(1, 3)\n"
        "layer.build((None, 8, 1))\n"
        "print(keras.backend.backend(), __name__, sys.argv[1:], helper.word, "
        "sys.modules['keras.src.backend.numpy'].__name__)\n"
    )
    (tmp_path / "helper.py").write_text("word = 'beside'\n")
    return path


def test_help_lists_every_command_and_stays_light():
    result = call("--help")
    assert result.returncode == 0 and all(name in result.stdout for name in COMMANDS)
    code = (
        "import sys\nfrom simplecell.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit: "
        "pass\nprint([m for m in ('keras', 'llvmlite', 'rich', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name):
    result = call(name, "--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage:")


def test_version():
    assert simplecell.__version__ in call("--version").stdout


def test_unknown_command():
    result = call("fly")
    assert result.returncode == 2 and "No such command 'fly'" in result.stderr


@pytest.mark.parametrize("before", [[], ["run"]])
def test_runs_a_script_that_knows_nothing_of_simplecell(script, before):
    result = call(*before, script, "--option", "value", "-h")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[0] == "numpy __main__ ['--option', 'value', '-h'] beside simplecell.keras_backend"


def test_tour_refuses_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    # and runs on simplecell whatever the environment says
    result = call("tour", "--output", tmp_path / "file" / "folder", env={**os.environ, "KERAS_BACKEND": "jax"})
    assert result.returncode == 2 and "cannot make the folder" in result.stderr
    assert (
        "Traceback" not in result.stderr and "KERAS_BACKEND=jax; Keras runs on simplecell all the same" in result.stderr
    )
    assert call("tour", "--epochs", "0").returncode == 2
