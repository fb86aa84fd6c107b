"""Keras's writers leave the old file or the new one, whole, whatever ends them.

Crashes by SIGKILL: `kills`; at each step on the disk: `crashes`.
"""

import importlib
import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
from keras.src.utils import io_utils

from simplecell.files import replace
from simplecell.keras_backend import saving, writers
from tests.keras_backend.ways_to_save import (
    SHARD,
    WAYS,
    backup_of,
    contents,
    empty,
    generation,
    load_backup,
    model,
    weights,
)

ROOT = pathlib.Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="processes, modes and links as POSIX has them")
quiet = pytest.mark.filterwarnings("ignore:Skipping variable loading")  # Keras's, of optimizers


# --- crashes ----------------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("script", [("kills", "--times", "2"), ("crashes", "--every", "7")])
def test_nothing_is_lost(script):
    """20 processes are killed while they save, and 60 at chosen steps."""
    run = subprocess.run(
        [sys.executable, "-m", f"tests.keras_backend.{script[0]}", *script[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(run.stdout.splitlines()) >= len(WAYS)


# --- exceptions -------------------------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("name", WAYS)
def test_an_exception_in_a_layer_changes_nothing(tmp_path, monkeypatch, name):
    save, load = WAYS[name]
    save(model(1), 1, str(tmp_path))
    before = contents(tmp_path)
    new = model(2)

    def broken(*args):
        raise RuntimeError("half-way")

    # the two that Keras calls to write a layer: now, and into legacy files
    monkeypatch.setattr(new.layers[-1], "save_own_variables", broken)
    monkeypatch.setattr("keras.src.legacy.saving.legacy_h5_format.save_attributes_to_hdf5_group", broken)
    with pytest.raises(RuntimeError, match="half-way"):
        save(new, 2, str(tmp_path))
    assert contents(tmp_path) == before
    assert load(str(tmp_path)) == 1


DISK = """
import os, resource, sys, tempfile
import simplecell
from tests.keras_backend.ways_to_save import WAYS, contents, model
for name, (save, load) in WAYS.items():
    with tempfile.TemporaryDirectory() as folder:
        save(model(1), 1, folder)
        before = contents(folder)
        new = model(2)
        for limit in (0, 100, 3000, 7000):  # bytes: the system refuses to make a file larger
            pid = os.fork()
            if pid == 0:
                os.close(2)  # HDF5 complains about each file that it could not write
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                try:
                    save(new, 2, folder)
                    os._exit(3)
                except Exception:
                    os._exit(4 if contents(folder) == before else 5)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code == 4 or code == -11, (name, limit, code)  # -11: HDF5 itself can crash where it cannot write
            assert load(folder) == 1
        save(new, 2, folder)
        assert load(folder) == 2
        assert not [path for path in contents(folder) if "simplecell" in path]
    print(name)
"""


@posix
def test_a_full_disk_changes_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", DISK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines() == list(WAYS)


# --- what stays as it was ---------------------------------------------------------------------------------------------


def test_all_writers_are_ours():
    for module, functions in writers.WRITERS.items():
        for path, ours in functions:
            place = importlib.import_module(module)
            for part in path.split("."):
                place = getattr(place, part)
            assert place.__code__.co_filename == writers.__file__ and callable(getattr(saving, ours)), (module, path)
    assert (
        keras.saving.load_model
        is keras.models.load_model
        is importlib.import_module("keras.src.saving.saving_api").load_model
    )


def test_import_does_not_load_what_is_done_around_them():
    names = ["simplecell.keras_backend.saving", "simplecell.files"]
    code = f"import sys, simplecell, keras; print([m for m in {names} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_modes(tmp_path, umask):
    """New files have the mode that `open` gives; those that are replaced keep theirs."""
    before = os.umask(umask)
    try:
        for name in WAYS:
            WAYS[name][0](model(1), 1, str(tmp_path))
    finally:
        os.umask(before)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 10 and {p.stat().st_mode & 0o777 for p in files} == {0o666 & ~umask}
    for p in files:
        p.chmod(0o604)
    for name in WAYS:
        WAYS[name][0](model(2), 2, str(tmp_path))
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_file()} == {0o604}


@posix
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_links_are_written_through(tmp_path, name):
    (tmp_path / "store").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "store" / "blob")
    m = model(1)
    (m.save_weights if "weights" in name else m.save)(tmp_path / name)
    assert (
        (tmp_path / name).is_symlink()
        and not (tmp_path / "store" / "blob").is_symlink()
        and os.listdir(tmp_path / "store") == ["blob"]
    )


@quiet
def test_file_objects_and_paths(tmp_path):
    buffer = io.BytesIO()
    keras.saving.save_model(model(3), tmp_path / "m.keras")
    importlib.import_module("keras.src.saving.saving_lib").save_model(model(3), buffer)
    buffer.seek(0)
    assert generation(keras.saving.load_model(tmp_path / "m.keras")) == 3
    assert generation(importlib.import_module("keras.src.saving.saving_lib").load_model(buffer)) == 3


@quiet
def test_names_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    m = model(4)
    for _ in range(2):
        m.save("m.keras")
        m.save("m.h5")
        m.save("folder", zipped=False)
        m.save_weights("m.weights.h5")
        m.save_weights("s.weights.json", max_shard_size=SHARD)
    assert generation(keras.saving.load_model("folder")) == 4 and weights("s.weights.json")("") == 4
    assert not [n for n in contents(tmp_path) if "simplecell" in n]


class Words(keras.layers.Layer):
    """A layer with a file of its own."""

    def __init__(self, words="", **kwargs):
        super().__init__(**kwargs)
        self.words = words

    def call(self, x):
        return x

    def save_assets(self, folder):
        (pathlib.Path(folder) / "words.txt").write_text(self.words)

    def load_assets(self, folder):
        self.words = (pathlib.Path(folder) / "words.txt").read_text()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_can_be_saved_again(tmp_path, monkeypatch, absolute):
    """By itself, Keras raises at the second time where the path is absolute, and loses what layers keep in files where
    it is relative.
    """
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "m") if absolute else "m"
    for words in ("one", "two"):
        keras.Sequential([keras.Input((2,)), Words(words)]).save(path, zipped=False)
        loaded = keras.saving.load_model(path, custom_objects={"Words": Words})
        assert loaded.layers[0].words == words


@pytest.mark.parametrize("answer, expected", [("y", 2), ("n", 1)])
@pytest.mark.parametrize("name, prompts", [("m.keras", 1), ("m.h5", 2), ("m.weights.h5", 1)])
def test_prompts(tmp_path, monkeypatch, answer, expected, name, prompts):
    """Asked for as often as Keras does, about the file that the user named."""
    asked = []

    def ask(path):
        asked.append(str(path))
        return answer == "y"

    monkeypatch.setattr(io_utils, "ask_to_proceed_with_overwrite", ask)
    path = str(tmp_path / name)
    for k in (1, 2):
        (model(k).save_weights if "weights" in name else model(k).save)(path, overwrite=False)
    assert asked == [path] * (prompts if answer == "y" else 1)
    if "weights" in name:
        assert weights(name)(str(tmp_path)) == expected
    else:
        assert generation(keras.saving.load_model(path, compile=False)) == expected


@pytest.mark.parametrize(
    "overwritten, error", [("nowhere/m.keras", FileNotFoundError), ("folder.keras", IsADirectoryError)]
)
def test_errors_name_what_the_user_named(tmp_path, overwritten, error):
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(error) as raised:
        model(1).save(tmp_path / overwritten)
    assert str(tmp_path / overwritten) in str(raised.value) and "simplecell" not in str(raised.value)


@pytest.mark.parametrize("name, options", [("m.txt", {}), ("m.weights.h5", {"zipped": False, "suffix": ".keras"})])
def test_names_that_keras_refuses(tmp_path, name, options):
    with pytest.raises(ValueError, match="extension|should not end"):
        if options:
            model(1).save(tmp_path / "m.keras", zipped=False)
        else:
            model(1).save(tmp_path / name)
    with pytest.raises(ValueError, match="must end in `.weights.h5`"):
        model(1).save_weights(tmp_path / "m.h5")
    assert contents(tmp_path) == {}


def test_renamed_shards(tmp_path):
    with pytest.warns(UserWarning, match="requires `.*json`") as seen:
        model(5).save_weights(tmp_path / "m.weights.h5", max_shard_size=SHARD)
    assert (
        len(seen) == 1
        and str(tmp_path / "m.weights.h5") in str(seen[0].message)
        and "simplecell" not in str(seen[0].message)
    )
    assert weights("m.weights.json")(str(tmp_path)) == 5


def test_a_checkpoint_that_is_a_folder(tmp_path):
    """Keras recognises this error by its type or its words."""
    (tmp_path / "c.keras").mkdir()
    with pytest.raises(OSError, match="non-directory filepath"):
        WAYS["ModelCheckpoint"][0](model(1), 1, str(tmp_path))


# --- backups ----------------------------------------------------------------------------------------------------------


def test_a_backup_of_two_files_is_one(tmp_path, monkeypatch):
    """Killed when the weights are in place and the epoch is not: by itself, Keras would train these weights from the
    epoch before.
    """
    save, load = WAYS["BackupAndRestore"]
    save(model(1), 1, str(tmp_path))
    monkeypatch.setattr(replace, "_move_in", lambda *args, **kwargs: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        save(model(2), 2, str(tmp_path))
    monkeypatch.undo()
    assert json.loads((tmp_path / "backup" / "training_metadata.json").read_text())["epoch"] == 1
    assert load(str(tmp_path)) == 2


def test_the_backup_before_is_kept(tmp_path):
    save, load = WAYS["BackupAndRestore, double"]
    for k in (1, 2, 3):
        save(model(k), k, str(tmp_path))
    assert load(str(tmp_path)) == 3
    (tmp_path / "backup" / "latest.weights.h5").write_bytes(b"damaged")
    assert load(str(tmp_path)) == 2


def test_the_end_of_training_removes_the_backup(tmp_path):
    save, _ = WAYS["BackupAndRestore"]
    save(model(1), 1, str(tmp_path))
    callback = backup_of(model(1), str(tmp_path))
    callback.on_train_end()
    callback.on_train_end()
    assert contents(tmp_path) == {}


@posix
def test_a_removal_that_is_killed_leaves_no_epoch_without_weights(tmp_path, monkeypatch):
    save, _ = WAYS["BackupAndRestore"]
    save(model(1), 1, str(tmp_path))
    monkeypatch.setattr(replace.shutil, "rmtree", lambda *args, **kwargs: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        backup_of(model(1), str(tmp_path)).on_train_end()
    monkeypatch.undo()
    m = empty()
    m._initial_epoch = 0
    backup_of(m, str(tmp_path)).on_train_begin()
    assert m._initial_epoch == 0 and generation(m, configured=False) == -1
    backup_of(m, str(tmp_path)).on_epoch_end(0)
    assert contents(tmp_path / "backup").keys() == {"latest.weights.h5", "training_metadata.json"}
    backup_of(m, str(tmp_path)).on_train_end()
    assert contents(tmp_path) == {}


def test_training_goes_on_where_it_was_interrupted(tmp_path):
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")

    def train(stop):
        keras.utils.set_random_seed(0)
        m = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        m.compile("sgd", "mse")
        seen = []

        def end(epoch, logs):
            seen.append(epoch)
            if epoch == stop:
                raise KeyboardInterrupt

        callbacks = [keras.callbacks.BackupAndRestore(tmp_path / "b"), keras.callbacks.LambdaCallback(on_epoch_end=end)]
        try:
            m.fit(x, y, epochs=5, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            pass
        return seen, m.get_weights()

    assert train(2)[0] == [0, 1, 2]
    assert (tmp_path / "b" / "latest.weights.h5").exists()
    seen, resumed = train(None)
    assert seen == [3, 4] and contents(tmp_path) == {}
    for a, b in zip(resumed, train(None)[1]):
        np.testing.assert_array_equal(a, b)


# --- others -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after",
    [("epoch,loss\r\n0,0.5\r\n1,0.", "epoch,loss\r\n0,0.5\r\n1,0.\n"), ("epoch,loss\r\n0,0.5\r\n",) * 2, ("", "")],
)
def test_a_log_goes_on_in_a_line_of_its_own(tmp_path, before, after):
    path = tmp_path / "log.csv"
    path.write_bytes(before.encode())
    logger = keras.callbacks.CSVLogger(path, append=True)
    logger.on_train_begin()
    assert path.read_bytes() == after.encode()
    logger.on_epoch_end(2, {"loss": 0.25})
    logger.on_train_end()
    assert path.read_bytes().splitlines()[-1].startswith(b"2,0.25")


def test_edited_weights_over_themselves(tmp_path):
    path = tmp_path / "m.weights.h5"
    model(6).save_weights(path)
    editor = keras.saving.KerasFileEditor(str(path))
    path.chmod(0o640)
    editor.save(path)
    assert weights(path.name)(str(tmp_path)) == 6 and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("fails", [False, True])
def test_a_download_is_whole_or_not_there(tmp_path, monkeypatch, fails):
    """By itself, Keras takes what a killed download has left for the file."""
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(100_000))
    ours = sys.modules["keras.src.utils.file_utils"].urlretrieve

    def retrieve(url, filename, report):
        def stop(*args):
            if fails:
                raise SystemExit  # neither of those after which Keras cleans up, as no process does that is killed

        return ours(url, filename, stop)

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", retrieve)
    (tmp_path / "cache").mkdir()
    options = {"fname": "data.bin", "origin": source.as_uri(), "cache_dir": str(tmp_path / "cache")}
    if fails:
        with pytest.raises(SystemExit):
            keras.utils.get_file(**options)
        assert os.listdir(tmp_path / "cache" / "datasets") == []
    else:
        assert pathlib.Path(keras.utils.get_file(**options)).read_bytes() == source.read_bytes()


def test_a_picture_is_whole(tmp_path, monkeypatch):
    from PIL import Image

    path = tmp_path / "p.png"
    keras.utils.save_img(path, np.zeros((4, 4, 3)), scale=False)
    before = path.read_bytes()

    def broken(self, fp, *args, **kwargs):
        pathlib.Path(fp).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        keras.utils.save_img(path, np.ones((4, 4, 3)))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["p.png"]


@quiet
def test_threads_save_and_load_one_file(tmp_path):
    models = [model(k) for k in (1, 2, 3)]
    path = tmp_path / "m.weights.h5"
    models[0].save_weights(path)
    errors = []

    def run(m):
        try:
            for _ in range(8):
                m.save_weights(path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(m,)) for m in models]
    with warnings.catch_warnings():
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert errors == [] and weights(path.name)(str(tmp_path)) in (1, 2, 3) and os.listdir(tmp_path) == [path.name]


def test_backups_load_where_keras_wrote_them(tmp_path):
    """Two files as Keras alone writes them."""
    (tmp_path / "backup").mkdir()
    model(7).save_weights(tmp_path / "backup" / "latest.weights.h5")
    (tmp_path / "backup" / "training_metadata.json").write_text('{"epoch": 7, "batch": 0}')
    assert load_backup(str(tmp_path)) == 7
