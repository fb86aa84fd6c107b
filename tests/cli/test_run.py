"""`simplecell run` is Python: what a script prints, raises and sees is compared with `python`'s, to the byte."""

import os
import pathlib
import py_compile
import signal
import subprocess
import sys
import zipfile

import pytest

from simplecell.cli.python import STARTUP, python_options, with_simplecell

SIMPLECELL = [sys.executable, "-m", "simplecell"]


def start(command, folder, **environment):
    env = {
        name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "PYTHONPATH")
    } | environment
    return subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def outcome(process, given=b""):
    out, err = process.communicate(given, timeout=120)
    return process.returncode, out.decode(), err.decode()


def run(folder, *arguments, **environment):
    return outcome(start([*SIMPLECELL, "run", *map(str, arguments)], folder, **environment))


def assert_same(folder, *arguments, given=b"", **environment):
    """What both give, after comparing: (exit code, stdout, stderr)."""
    words = [*map(str, arguments)]
    pair = [start([*command, *words], folder, **environment) for command in ([sys.executable], [*SIMPLECELL, "run"])]
    python, ours = (outcome(process, given) for process in pair)
    assert ours == python
    return ours


ENDS = {
    "code": ("import sys; sys.exit(3)", 3, ""),
    "text": ("import sys; sys.exit('text')", 1, "text\n"),
    "end of file": ("input('name? ')", 1, "EOFError: EOF when reading a line"),
    "interrupt": ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    "signal": ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, "KeyboardInterrupt"),
    "terminated": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    "at once": ("import os, atexit; atexit.register(print, 'never'); os._exit(7)", 7, ""),
    "click's error": ("import click\nraise click.ClickException('own')", 1, "click.exceptions.ClickException: own"),
    "click's abort": ("import click\nraise click.Abort", 1, "click.exceptions.Abort"),
    "broken pipe": ("raise BrokenPipeError(32, 'Broken pipe')", 1, "BrokenPipeError"),
    "at exit": ("import atexit\natexit.register(lambda: print(__name__))\n1 / 0", 1, "ZeroDivisionError"),
    "chain": (
        "def f():\n    try:\n        {}['a']\n    except KeyError as e:\n        raise ValueError('b') from e\nf()",
        1,
        "direct cause",
    ),
    "syntax": ("x = 1\nif x\n    print(x)\n", 1, "SyntaxError"),
    "encoding": (b"# coding: ascii\nprint('\xc3\xa9')\n", 1, "SyntaxError"),
    "null": (b"print(1)\0\n", 1, ""),
    "hook": (
        "import sys\nsys.excepthook = lambda *what: print(what[1], what[2].tb_lineno, what[2].tb_next)\n1 / 0",
        1,
        "",
    ),
    "bad hook": ("import sys\nsys.excepthook = lambda *what: None + 1\n1 / 0", 1, "Original exception was"),
    "stack": (
        "import traceback, warnings\ntraceback.print_stack()\nwarnings.warn('far', stacklevel=9)",
        0,
        "UserWarning: far",
    ),
    "thread": (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='t')\nt.start()\nt.join()",
        0,
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_as_in_python(tmp_path, name):
    source, code, said = ENDS[name]
    path = tmp_path / "script.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    found, _, error = assert_same(tmp_path, "script.py")
    assert found == code and said in error and "simplecell" not in error and "runpy" not in error


MAIN = """
import __main__, dataclasses, inspect, pickle, sys, typing

@dataclasses.dataclass
class Point:
    "A point."
    x: "int"

def source(): return "of this function"

print(sorted(globals()), __name__, __file__, __package__, __spec__, type(__loader__), __builtins__)
print(sys.modules["__main__"] is __main__, __main__.Point is Point)
print(pickle.loads(pickle.dumps(Point(3))), typing.get_type_hints(Point))
print(inspect.getsource(source), inspect.getsource(Point))
print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys._xoptions, sys.warnoptions, sys._getframe().f_back)
"""


def test_main_is_the_script(tmp_path):
    from_a_pipe = MAIN.partition("print(inspect")[0].replace("__file__, ", "").encode()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "script.py").write_text(MAIN)
    (tmp_path / "link.py").symlink_to("inner/script.py")
    for words in (
        ["inner/script.py", "run", "-h", "--", "-m"],
        ["./inner/../link.py"],
        ["-O", "-X", "dev", "-Werror", "-", "a"],
        ["inner/script.py"],
    ):
        code, out, error = assert_same(tmp_path, *words, given=from_a_pipe, PYTHONPATH=f"{tmp_path}{os.pathsep}inner")
        assert code == 0 and out, error


def test_what_python_takes_for_a_script(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__main__.py").write_text(
        "import beside, sys\nprint(__name__, __file__, sys.path[0], sys.argv)\n1 / 0\n"
    )
    (tmp_path / "folder" / "beside.py").write_text("print(__file__)\n")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        for path in (tmp_path / "folder").iterdir():
            archive.write(path, path.name)
    py_compile.compile(str(tmp_path / "folder" / "beside.py"), cfile=str(tmp_path / "compiled.pyc"))
    for word in ("folder", "archive.pyz"):
        assert assert_same(tmp_path, word, "-a")[0] == 1
    assert assert_same(tmp_path, "compiled.pyc")[0] == 0
    assert (
        assert_same(tmp_path, "/dev/stdin", given=b"print(__file__, __name__)\n1 / 0\n")[1] == "/dev/stdin __main__\n"
    )
    assert assert_same(tmp_path, "-", given=b"print(__name__)\n1 / 0\n")[1] == "__main__\n"
    assert assert_same(tmp_path, "-c", "import sys; print(sys.argv)", "-x")[1] == "['-c', '-x']\n"
    assert assert_same(tmp_path, "-m", "json.tool", "--compact", given=b"[1, 2]")[1] == "[1,2]\n"


def test_what_cannot_be_run(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.pyc").write_bytes(b"none of it")
    code, out, error = assert_same(tmp_path, "no.py")
    assert (
        code == 2
        and "can't open file" in error
        and "[Errno 2] No such file or directory" in error
        and error.count("\n") == 1
    )
    assert "can't find '__main__' module in" in assert_same(tmp_path, "empty")[2]
    assert "Bad magic number" in assert_same(tmp_path, "bad.pyc")[2]
    assert assert_same(tmp_path, "--no-such-option")[0] == 2


def test_interrupted_from_outside(tmp_path):
    (tmp_path / "script.py").write_text(
        "import atexit, time\natexit.register(print, 'left')\ntry:\n    print('on', flush=True); "
        "time.sleep(60)\nfinally:\n    print('out')\n"
    )
    process = start([*SIMPLECELL, "run", "script.py"], tmp_path)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGINT)
    code, out, error = outcome(process)
    assert (code, out) == (-signal.SIGINT, "out\nleft\n") and error.endswith("KeyboardInterrupt\n")


def test_without_exec(tmp_path):
    """Where a system has none, a child of ours is the Python, and its exit code is passed on."""
    code = (
        "import os, sys, simplecell.cli\nos.name = 'nt'\nsimplecell.cli.main(['run', '-c', 'import sys; "
        "print(sys.argv); sys.exit(5)', 'a'])"
    )
    assert outcome(start([sys.executable, "-c", code], tmp_path)) == (5, "['-c', 'a']\n", "")


@pytest.mark.parametrize(
    "words", [["run", "-I", "script.py"], ["run", "-BES", "-c", "0"], ["run", "-X", "dev", "-S", "-"]]
)
def test_options_that_keep_simplecell_out(tmp_path, words):
    code, _, error = outcome(start([*SIMPLECELL, *words], tmp_path))
    assert code == 2 and "keeps simplecell out" in error and "import simplecell" in error
    # given to the Python that simplecell was started with
    code, _, error = outcome(start([sys.executable, "-E", *SIMPLECELL[1:], "run", "-c", "print(1)"], tmp_path))
    assert code == 2 and "option -E keeps simplecell out" in error


def test_help_is_ours_before_the_script_and_the_script_s_after_it(tmp_path):
    assert run(tmp_path, "-h")[1].startswith("Usage: python -m simplecell run")
    assert run(tmp_path, "-c", "import sys; print(sys.argv)", "-h", "--help")[1] == "['-c', '-h', '--help']\n"
    code, _, error = run(tmp_path)
    assert code == 2 and "Missing argument 'SCRIPT'" in error


def test_options_of_the_python_before(tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys; print(sys.flags.optimize, sys.flags.dev_mode, sys.stdout.write_through, sys.argv)"
    )
    command = [sys.executable, "-uOX", "dev", "-W", "default", "-m", "simplecell", "script.py", "-O"]
    assert outcome(start(command, tmp_path)) == (0, "1 True True ['script.py', '-O']\n", "")


def test_python_s_options_are_read_as_python_reads_them():
    assert python_options(["-uO", "-W", "error", "-Xdev", "--check-hash-based-pycs", "never", "-Bm", "name", "-v"]) == [
        *("-u", "-O", "-Werror", "-Xdev", "--check-hash-based-pycs", "never", "-B"),
    ]
    for end in ("-", "--", "script.py", "-c", "-m"):
        assert python_options(["-q", end, "-v"]) == ["-q"]
    assert python_options(["-W"]) == ["-W"] and python_options([]) == []


def test_the_environment_takes_simplecell_once():
    once = with_simplecell({"PYTHONPATH": os.pathsep.join(["a", "", "b"]), "X": "1"})
    assert once["PYTHONPATH"].split(os.pathsep) == [STARTUP, "a", "", "b"] and once["X"] == "1"
    assert with_simplecell(once) == once
    assert with_simplecell({})["PYTHONPATH"] == with_simplecell({"PYTHONPATH": ""})["PYTHONPATH"] == STARTUP


def test_another_sitecustomize_runs_too(tmp_path):
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import sys; seen = (__name__, __file__, sys.modules[__name__].__spec__.origin, sys.modules[__name__].__dict__ "
        "is globals())"
    )
    _, out, _ = assert_same(tmp_path, "-c", "import sitecustomize; print(sitecustomize.seen)", PYTHONPATH=str(tmp_path))
    assert out == f"('sitecustomize', '{hidden}', '{hidden}', True)\n"
    hidden.write_text("import sys; 'simplecell' in sys.modules and 1 / 0")
    code, out, error = run(tmp_path, "-c", "import keras; print(keras.backend.backend())", PYTHONPATH=str(tmp_path))
    assert (code, out) == (0, "numpy\n") and error.startswith("Error in sitecustomize") and "ZeroDivisionError" in error


def test_other_pythons_stay_as_they_are(tmp_path):
    environment = with_simplecell(os.environ) | {"SIMPLECELL_RUN": "another-python /prefix"}
    code = "import sys; print('simplecell' in sys.modules, [p for p in sys.path if 'startup' in p])"
    assert outcome(start([sys.executable, "-c", code], tmp_path, **environment))[1] == "False []\n"


def test_simplecell_is_found_wherever_it_lies(tmp_path):
    """Started in the folder that holds it, and installed nowhere: the script's own path does not lead there."""
    (tmp_path / "script.py").write_text(
        "import sys, simplecell; print(simplecell.__file__, sys.path[0]); from simplecell.cli import python"
    )
    source = pathlib.Path(STARTUP).parents[2]
    bare = [
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, ''); import simplecell.cli as c; c.main(['run', '-s', sys.argv[1]])",
    ]
    code, out, error = outcome(start([*bare, str(tmp_path / "script.py")], source))
    assert (code, out) == (0, f"{source / 'simplecell' / '__init__.py'} {tmp_path}\n"), error
