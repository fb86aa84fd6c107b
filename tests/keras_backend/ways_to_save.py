"""The ways in which Keras writes models, each with its way back; and models that tell whether what came back is whole.

The model of generation k has the number k in its configuration and in all of its weights.
"""

import functools
import os
import pathlib

import simplecell  # noqa: F401  (before Keras)

# isort: split
import keras
import numpy as np

WIDTH = int(os.environ.get("KILLS_WIDTH", "24"))


@functools.lru_cache(maxsize=4)
def model(k):
    m = keras.Sequential(
        [keras.Input((WIDTH,)), keras.layers.Rescaling(float(k)), *(keras.layers.Dense(WIDTH) for _ in range(3))]
    )
    m.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    fill(m, k)
    return m


def fill(m, k):
    m.optimizer.build(m.trainable_variables)
    for v in [*m.weights, *m.optimizer.variables[2:]]:
        v.assign(np.full(v.shape, k, v.dtype))


def generation(m, configured=True):
    """k, if all of the model is of generation k; else an AssertionError."""
    found = {float(value) for w in m.weights for value in (np.min(w), np.max(w))}
    if configured:
        found.add(float(m.layers[0].scale))
    assert len(found) == 1, f"a mixture: {sorted(found)}"
    return int(found.pop())


def whole(name):
    return lambda folder: generation(keras.saving.load_model(os.path.join(folder, name), compile=name != "m.h5"))


def empty():
    """A model to load weights into."""
    m = model(-1)
    fill(m, -1)
    return m


def weights(name):
    def load(folder):
        m = empty()
        m.load_weights(os.path.join(folder, name))
        return generation(m, configured=False)

    return load


def save_checkpoint(name, weights_only):
    def save(m, k, folder):
        callback = keras.callbacks.ModelCheckpoint(
            os.path.join(folder, name), "loss", save_weights_only=weights_only, mode="min"
        )
        callback.set_model(m)
        callback.on_epoch_begin(k)
        callback.on_epoch_end(k, {"loss": 1.0})

    return save


def backup_of(m, folder, **options):
    callback = keras.callbacks.BackupAndRestore(os.path.join(folder, "backup"), **options)
    callback.set_model(m)
    return callback


def save_backup(**options):
    return lambda m, k, folder: backup_of(m, folder, **options).on_epoch_end(k - 1)


def load_backup(folder):
    m = empty()
    m._initial_epoch = None
    backup_of(m, folder).on_train_begin()
    k = generation(m, configured=False)
    if m._initial_epoch is None:
        raise ValueError("no epoch")
    assert m._initial_epoch == k, f"weights of epoch {k}, but training goes on at {m._initial_epoch}"
    return k


def save_folder(m, k, folder):
    m.save(os.path.join(folder, "m"), zipped=False)


def save_beside_others(m, k, folder):
    """Into a folder that holds something of the user's, too."""
    os.makedirs(os.path.join(folder, "m"), exist_ok=True)
    if not os.path.exists(os.path.join(folder, "m", "notes.txt")):
        with open(os.path.join(folder, "m", "notes.txt"), "w") as f:
            f.write("mine")
    save_folder(m, k, folder)


def load_beside_others(folder):
    with open(os.path.join(folder, "m", "notes.txt")) as f:
        assert f.read() == "mine", "the user's own file was touched"
    return whole("m")(folder)


SHARD = 6 * WIDTH * WIDTH / 1024**3  # in GB: more than one layer, less than two

WAYS = {
    "model.save .keras": (lambda m, k, d: m.save(os.path.join(d, "m.keras")), whole("m.keras")),
    "model.save .h5": (lambda m, k, d: m.save(os.path.join(d, "m.h5")), whole("m.h5")),
    "save_weights": (lambda m, k, d: m.save_weights(os.path.join(d, "m.weights.h5")), weights("m.weights.h5")),
    "save_weights, shards": (
        lambda m, k, d: m.save_weights(os.path.join(d, "m.weights.json"), max_shard_size=SHARD),
        weights("m.weights.json"),
    ),
    "folder": (save_folder, whole("m")),
    "folder with other files": (save_beside_others, load_beside_others),
    "ModelCheckpoint": (save_checkpoint("c.keras", False), whole("c.keras")),
    "ModelCheckpoint, weights": (save_checkpoint("c.weights.h5", True), weights("c.weights.h5")),
    "BackupAndRestore": (save_backup(), load_backup),
    "BackupAndRestore, double": (save_backup(double_checkpoint=True), load_backup),
}
"""Name → (save(model, k, folder), load(folder) → k)."""


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in sorted(pathlib.Path(folder).rglob("*"))
    }
