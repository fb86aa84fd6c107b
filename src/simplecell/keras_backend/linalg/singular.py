"""Singular values and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.dispatch import callout
from simplecell.keras_backend.linalg.support import in_dtype, matrix, spec_like, wide
from simplecell.keras_backend.numpy.linear import product
from simplecell.ops import shaping


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    x = matrix(x)
    *batch, m, n = x.shape
    k = min(m, n)
    if not compute_uv:
        return singular_values(x)
    specs = (
        spec_like(x, *batch, m, m if full_matrices else k),
        spec_like(x, *batch, k),
        spec_like(x, *batch, n if full_matrices else k, n),
    )
    return callout(
        lambda a: tuple(in_dtype(f, a) for f in np.linalg.svd(wide(a), full_matrices)), x, label="svd", specs=specs
    )


def singular_values(x: Any) -> Any:
    spec = spec_like(x, *x.shape[:-2], min(x.shape[-2:]))
    return callout(
        lambda a: in_dtype(np.linalg.svd(wide(a), compute_uv=False), a),
        x,
        label="singular_values",
        specs=spec,
        gradient=_singular_values_gradient,
    )


def _singular_values_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    """U diag(ds) Vᵀ."""
    (x,), (diff,) = inputs, diff_outputs
    u, s, v = svd(x, full_matrices=False)
    return [product(ops.multiply(u, shaping.reshape(diff, (*s.shape[:-1], 1, s.shape[-1]))), v)]
