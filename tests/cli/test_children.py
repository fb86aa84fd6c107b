"""Processes that a script starts under `simplecell run`: on simplecell, too."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
import concurrent.futures
import multiprocessing
import sys
import keras

class Sent:
    def __init__(self, value):
        self.value = value

def backend(sent=None):
    return keras.src.backend.Variable.__mro__[1].__module__, sent and sent.value, __name__

def put(queue, sent):
    queue.put((backend(sent), Sent(os.getpid())))

if __name__ == "__main__":
    method, *words = sys.argv[1:]
    context = multiprocessing.get_context(method)
    assert "simplecell" in os.environ.pop("PYTHONPATH"), "as a script might"
    with context.Pool(1) as pool:
        print(pool.map(backend, [Sent(2), Sent(3)]))
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        print(pool.submit(backend, Sent(4)).result())
    queue = context.Queue()
    process = context.Process(target=put, args=(queue, Sent(5)))
    process.start()
    found, sent = queue.get()
    process.join()
    print(found, type(sent).__module__, sent.value == process.pid, process.exitcode, words)
"""


def start(folder, *words):
    environment = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "PYTHONPATH")}
    command = [sys.executable, "-m", "simplecell", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("method, before", [("spawn", []), ("forkserver", ["run"]), ("fork", ["run"])])
def test_processes_of_multiprocessing(tmp_path, method, before):
    (tmp_path / "script.py").write_text(SCRIPT)
    result = start(tmp_path, *before, "script.py", method, "-h")
    ours, name = "simplecell.keras_backend.variable", "__main__" if method == "fork" else "__mp_main__"
    assert result.stdout.splitlines() == [
        str([(ours, 2, name), (ours, 3, name)]),
        str((ours, 4, name)),
        f"{(ours, 5, name)} __main__ True 0 ['-h']",
    ], result.stderr
    assert (
        result.stderr
        == "simplecell: the script sets KERAS_BACKEND=tensorflow; Keras runs on simplecell all the same.\n"
    )


def test_a_python_that_the_script_starts(tmp_path):
    (tmp_path / "script.py").write_text(
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, 'other.py']))"
    )
    (tmp_path / "other.py").write_text(
        "import keras; print(keras.src.backend.Variable.__mro__[1].__module__); raise SystemExit(4)"
    )
    result = start(tmp_path, "run", "script.py")
    assert (result.returncode, result.stdout) == (4, "simplecell.keras_backend.variable\n"), result.stderr


def test_a_script_without_a_guard_fails_as_in_python(tmp_path):
    """No endless loop of children that start children."""
    (tmp_path / "script.py").write_text(
        "import multiprocessing as m\np = "
        "m.get_context('spawn').Process(target=print)\np.start()\np.join()\nprint(p.exitcode)"
    )
    result = start(tmp_path, "run", "script.py")
    assert (
        result.stdout == "1\n"
        and "An attempt has been made to start a new process" in result.stderr
        and "cli" not in result.stderr
    )
