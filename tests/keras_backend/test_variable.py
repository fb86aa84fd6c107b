import copy
import pickle

import keras
import numpy as np
import pytest


def test_values_are_read_only_copies():
    source = np.ones((2, 3), "float32")
    v = keras.Variable(source)
    source[:] = 5
    assert v.numpy().max() == 1
    with pytest.raises(ValueError, match="read-only"):
        v.value[0] = 2
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(v)[0] = 2
    given = np.zeros((2, 3), "float32")
    v.assign(given)
    given[:] = 7  # stays the caller's own
    assert v.numpy().max() == 0
    v.numpy()[:] = 3  # a copy
    assert v.numpy().max() == 0


def test_version_grows_with_each_value():
    v = keras.Variable(np.zeros(3))
    before = v.version
    v.assign_add(np.ones(3))
    assert v.version == before + 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies_are_independent(duplicate):
    v = keras.Variable(np.arange(3.0))
    w = duplicate(v)
    w.assign(w + 1)
    np.testing.assert_array_equal(v.numpy(), [0, 1, 2])
    np.testing.assert_array_equal(w.numpy(), [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        w.value[0] = 0


def test_assigning_another_shape_is_an_error():
    with pytest.raises(ValueError, match="must match"):
        keras.Variable(np.zeros(3)).assign(np.zeros(4))
