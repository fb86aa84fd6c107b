"""Functions whose result's shape depends on values: refused while tracing, done when values are known
(`run_eagerly=True`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras.src import backend

from simplecell.graph.tensor import placeholder
from simplecell.keras_backend.eager_tensor import leaf
from simplecell.ops.base import Spec

CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("nonzero", lambda x: backend.numpy.nonzero(x)[0]),
    ("unique", lambda x: backend.numpy.unique(x)),
    ("repeat", lambda x: backend.numpy.repeat(np.arange(3), x)),
    ("split", lambda x: backend.numpy.split(np.arange(9), x)[1]),
    ("bincount", lambda x: backend.numpy.bincount(x)),
    ("arange", lambda x: backend.numpy.arange(x[0] * 2)),
    ("num_segments", lambda x: backend.math.segment_sum(np.ones(3, "float32"), x)),
]


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[n for n, _ in CALLS])
def test_refused_while_tracing(name: str, call: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=name) as error:
        call(placeholder(Spec((3,), "int32")))
    assert "run_eagerly=True" in str(error.value)


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[n for n, _ in CALLS])
def test_done_when_the_value_is_known(name: str, call: Callable[[Any], Any]) -> None:
    value = np.array([1, 2, 3], "int32")
    np.testing.assert_array_equal(np.asarray(call(leaf(value))), np.asarray(call(value)))


def test_einsum_names_the_label() -> None:
    with pytest.raises(ValueError, match="'j' is 3 and 4 long"):
        backend.numpy.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5)))


def test_matmul_says_which_axes() -> None:
    with pytest.raises(ValueError, match=r"sums over the last axis of x1.*\(2, 3\).*\(4, 5\)"):
        backend.numpy.matmul(np.ones((2, 3)), np.ones((4, 5)))


def test_mean_of_nothing_is_nan() -> None:
    assert np.isnan(backend.numpy.mean(np.ones((0, 3), "float32")))
    with pytest.raises(ValueError, match="Pass `initial`"):
        backend.numpy.max(np.ones((0, 3), "float32"))
