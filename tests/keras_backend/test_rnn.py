"""The recurrent loop against Python's own, with masks, directions and structures."""

import keras
import numpy as np
import pytest

from simplecell.keras_backend.rnn import rnn
from tests.keras_backend.traced import traced

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 2)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool)


def step(x, states):
    new = states[0] * 0.5 + x
    return new * 2, [new]


def expected(x, mask=None, backwards=False, zero=False):
    state, before, outputs = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0]), []
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        new = state * 0.5 + x[:, t]
        output = new * 2
        if mask is not None:
            here = mask[:, t, None]
            output = np.where(here, output, 0 if zero else before)
            new = np.where(here, new, state)
        state, before = new, output
        outputs.append(output)
    return outputs[-1], np.stack(outputs, 1), state


@pytest.mark.parametrize("run", [traced, lambda f, *a: f(*a)], ids=["traced", "eager"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("time_major", [False, True])
def test_loop(run, masked, backwards, zero, time_major):
    def swap(a):
        return np.ascontiguousarray(np.swapaxes(a, 0, 1)) if time_major else a

    def loop(x, mask):
        states = (np.zeros((3, 2), "float32"),)
        given = mask if masked else None
        return rnn(
            step, x, states, go_backwards=backwards, mask=given, zero_output_for_mask=zero, time_major=time_major
        )

    last, outputs, states = run(loop, swap(X), swap(MASK))
    want = expected(X, MASK if masked else None, backwards, zero)
    np.testing.assert_allclose(last, want[0], rtol=1e-6)
    np.testing.assert_allclose(outputs, swap(want[1]), rtol=1e-6)
    np.testing.assert_allclose(states[0], want[2], rtol=1e-6)


def test_only_the_last_output_on_demand():
    _, outputs, _ = rnn(step, X, (np.zeros((3, 2), "float32"),), return_all_outputs=False)
    assert outputs.shape == (3, 1, 2)


def test_no_time_step_is_an_error():
    with pytest.raises(ValueError, match="at least one time step"):
        rnn(step, X[:, :0], (np.zeros((3, 2), "float32"),))


@pytest.mark.parametrize("layer", [keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM])
def test_layers_predict_as_they_call(layer):
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Bidirectional(layer(4, return_sequences=True))])
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X), rtol=1e-5, atol=1e-6)
