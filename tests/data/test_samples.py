import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from simplecell import data


def test_photographs():
    for name in ("coffee", "cat"):
        colours = data.photograph(name)
        assert colours.shape == (256, 256, 3) and colours.dtype == np.float32
        assert 0 <= colours.min() < 0.1 and 0.75 < colours.max() <= 1
        grey = data.photograph(name, grey=True)
        assert grey.shape == (256, 256) and grey.dtype == np.float32
        np.testing.assert_allclose(grey[3, 5], colours[3, 5] @ [0.299, 0.587, 0.114], rtol=1e-6)


def test_unknown_photograph():
    with pytest.raises(ValueError, match="name: expected one of 'coffee', 'cat', received 'dog'"):
        data.photograph("dog")


def test_fashion_is_balanced_and_not_shuffled_apart():
    (x_train, y_train), (x_test, y_test) = data.fashion()
    assert x_train.shape == (5000, 28, 28) and x_test.shape == (1000, 28, 28)
    assert x_train.dtype == x_test.dtype == y_train.dtype == y_test.dtype == np.uint8
    assert np.bincount(y_train).tolist() == [500] * 10 and np.bincount(y_test).tolist() == [100] * 10
    assert len(data.FASHION_CLASSES) == 10
    # the first image of the original is an ankle boot (9): bright below, nothing above
    assert y_train[0] == 9 and x_train[0, :3].max() == 0 and x_train[0, 18:24].mean() > 100
    # trousers have a gap between the legs, pullovers do not: labels belong to their images
    trousers, pullovers = (x_train[y_train == c][:, 20:26, 13:15].mean() for c in (1, 2))
    assert trousers < pullovers / 2


def test_ecg():
    signal = data.ecg()
    assert signal.shape == (108_000,) and signal.dtype == np.float32
    # mean and deviation in mV that SciPy documents for this excerpt
    np.testing.assert_allclose(
        [signal.mean(dtype=np.float64), signal.std(dtype=np.float64)], [-0.16510875, 0.59924740], rtol=1e-5
    )
    np.testing.assert_array_equal(data.ecg(seconds=2, start=1), signal[360:1080])


@pytest.mark.parametrize("stretch", [dict(seconds=0), dict(seconds=301), dict(start=-1), dict(start=300)])
def test_ecg_outside(stretch):
    with pytest.raises(ValueError, match="expected a stretch within 0 and 300 seconds"):
        data.ecg(**stretch)


def test_brain():
    volume, tissue = data.brain(), data.brain_tissue()
    assert volume.shape == tissue.shape == (52, 61, 49) and volume.dtype == np.float32 and tissue.dtype == np.uint8
    assert volume.min() == 0 and volume.max() == 1
    # on T1 images white matter is the brightest
    means = [volume[tissue == kind].mean() for kind in range(3)]
    assert means[0] < means[1] < means[2]


def test_each_call_gives_a_fresh_array():
    first = data.brain()
    first[:] = 0
    assert data.brain().max() == 1


def test_licences_name_every_file():
    folder = files("simplecell.data").joinpath("files")
    text = folder.joinpath("LICENCES.md").read_text(encoding="utf-8")
    for file in folder.iterdir():
        assert file.name == "LICENCES.md" or f"`{file.name}`" in text


def test_exports_and_laziness():
    assert all(hasattr(data, name) for name in data.__all__)
    code = "import sys, simplecell.data; print('PIL' in sys.modules, 'keras' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_fashion_network():
    model, (_, (x, y)) = data.fashion_network(), data.fashion()
    assert [layer.name for layer in model.layers] == ["first", "pool_1", "second", "pool_2", "flatten", "classes"]
    assert model.count_params() == 34_826 and not model.compiled
    right = model.predict(x[..., None] / np.float32(255), verbose=0).argmax(1) == y
    assert 0.9 < right.mean() < 0.95
