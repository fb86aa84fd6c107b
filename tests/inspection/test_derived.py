"""Networks with further inputs and outputs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from simplecell.graph.gradients import gradients
from simplecell.graph.network import Network
from simplecell.graph.tensor import Tensor, placeholder
from simplecell.inspection.derived import derived
from simplecell.inspection.networks import network_of


def saliency(net: Network) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    (y,) = net.outputs.values()
    seed = placeholder(y.spec, "seed")
    (dx,) = gradients([y], list(net.inputs.values()), [seed])
    return {"seed": seed}, {"y": y, "dx": dx}


def model() -> Any:
    return keras.Sequential(
        [keras.Input((6, 5, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    )


def test_gradients_of_any_output_by_one_program() -> None:
    net, rng = model(), np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 5, 2)).astype("float32")
    network = network_of(net)
    made = derived(network, "saliency", saliency)
    assert derived(network, "saliency", saliency) is made
    for target in range(4):
        seed = np.zeros((2, 4), "float32")
        seed[:, target] = 1
        found = made.run([x], seed=seed)
        np.testing.assert_allclose(found["y"], net.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
        step, at = 1e-3, (1, 2, 3, 0)
        moved = x.copy()
        moved[at] += step
        slope = (net.predict(moved, verbose=0) - found["y"])[1, target] / step
        assert found["dx"].shape == x.shape and abs(found["dx"][at] - slope) < 1e-3
    alone = made.run([x[1:]], seed=seed[1:])
    np.testing.assert_allclose(alone["dx"], found["dx"][1:], rtol=1e-5, atol=1e-7)


def test_new_weights_are_seen_and_wrong_inputs_refused() -> None:
    net = model()
    x, seed = np.ones((1, 6, 5, 2), "float32"), np.ones((1, 4), "float32")
    made = derived(network_of(net), "saliency", saliency)
    before = made.run([x], seed=seed)["dx"]
    net.layers[-1].kernel.assign(2 * net.layers[-1].kernel)
    np.testing.assert_allclose(made.run([x], seed=seed)["dx"], 2 * before, rtol=1e-5)
    with pytest.raises(ValueError, match="further: must be seed, got none"):
        made.run([x])
    with pytest.raises(ValueError, match=r"seed: must have shape \(1, 4\), got \(1, 3\)"):
        made.run([x], seed=seed[:, :3])


def test_models_are_not_kept_alive() -> None:
    net = model()
    derived(network_of(net), "saliency", saliency).run([np.ones((1, 6, 5, 2), "float32")], seed=np.ones((1, 4)))
    gone = weakref.ref(net)
    del net
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None
