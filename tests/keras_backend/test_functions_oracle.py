"""The array functions give what Keras on JAX gives (recorded by `record_oracle.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras.src import backend, tree

from tests.keras_backend.cases import Arg, Case, numbered

RECORDED = np.load(Path(__file__).parent / "recorded" / "functions.npz")
ANSWERS: dict[str, list[np.ndarray]] = {}
for _key in RECORDED.files:
    ANSWERS.setdefault(_key.rpartition("/")[0], []).append(RECORDED[_key])

# Factors that are unique only up to signs, and orders that are not unique at all.
UP_TO_SIGN = {"linalg.eigh", "linalg.qr", "linalg.svd"}
NOT_UNIQUE = {"numpy.argpartition"}
# On JAX, `sparsemax` of several rows mixes their supports: rows do not sum to 1 there.
WRONG_ON_JAX = {"nn.sparsemax"}
CASES = [(n, c) for n, c in numbered() if n in ANSWERS and c.function not in NOT_UNIQUE | WRONG_ON_JAX]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[n for n, _ in CASES])
def test_same_as_on_jax(name: str, case: Case) -> None:
    rng = np.random.default_rng(7)

    def fill(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(fill(v) for v in x)
        return x.draw(rng, "float32") if isinstance(x, Arg) else x

    module, function = case.function.split(".")
    args, kwargs = fill(case.args), {k: fill(v) for k, v in case.kwargs.items()}
    results = [np.asarray(y) for y in tree.flatten(getattr(getattr(backend, module), function)(*args, **kwargs))]
    expected = ANSWERS[name]
    assert [y.shape for y in results] == [y.shape for y in expected]
    for ours, theirs in zip(results, expected, strict=True):
        if case.function in UP_TO_SIGN:
            ours, theirs = np.abs(ours), np.abs(theirs)
        # Both compute in float32, with sums in different orders: a few units in the last place of the terms.
        np.testing.assert_allclose(ours.astype("float64"), theirs.astype("float64"), rtol=1e-4, atol=2e-5)


def test_most_cases_are_recorded() -> None:
    assert len(CASES) > 0.95 * len(numbered())


def test_sparsemax_rows_are_distributions() -> None:
    y = backend.nn.sparsemax(np.random.default_rng(0).normal(size=(5, 7)).astype("float32"))
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-6)
    assert (y >= 0).all() and (y == 0).any()
