"""Factorizations: Cholesky, LU, QR, eigenvalues, singular values."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.dispatch import callout, constant, symbolic
from simplecell.keras_backend.linalg.solving import inv, solve
from simplecell.keras_backend.linalg.support import in_dtype, matmul, matrix, spec_like, transposed, wide
from simplecell.keras_backend.numpy.indexing import tril, triu
from simplecell.keras_backend.numpy.linear import product
from simplecell.ops import shaping

# --- Cholesky ---------------------------------------------------------------------------------------------------------


def cholesky(a: Any, upper: bool = False) -> Any:
    a = matrix(a)
    factor = callout(
        lambda m: in_dtype(np.linalg.cholesky(wide(m)), m),
        a,
        label="cholesky",
        specs=spec_like(a, *a.shape),
        gradient=_cholesky_gradient,
    )
    return transposed(factor) if upper else factor


def _cholesky_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    """L⁻ᵀ Φ(Lᵀ·dL) L⁻¹ made symmetric; Φ takes the lower triangle with half of the diagonal (Murray 2016)."""
    (factor,), (diff,) = outputs, diff_outputs
    n = factor.shape[-1]
    phi = ops.multiply(tril(product(transposed(factor), diff)), constant(1 - 0.5 * np.eye(n), factor))
    inverse = inv(factor)
    gradient = matmul(transposed(inverse), phi, inverse)
    return [ops.multiply(gradient + transposed(gradient), constant(0.5, factor))]


def cholesky_inverse(a: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose factor is given; what stands in the factor's other triangle is not looked at."""
    inverse = inv((triu if upper else tril)(matrix(a)))
    return product(inverse, transposed(inverse)) if upper else product(transposed(inverse), inverse)


# --- LU and QR --------------------------------------------------------------------------------------------------------


def lu_factor(a: Any) -> tuple[Any, Any]:
    """(LU, pivots): L (unit diagonal, not stored) and U in one array; row i was exchanged with row pivots[i]."""
    a = matrix(a)
    k = min(a.shape[-2:])
    specs = (spec_like(a, *a.shape), spec_like(np.zeros((), "int32"), *a.shape[:-2], k))
    return callout(_lu, a, label="lu_factor", specs=specs)


def _lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lu = wide(a).copy().reshape(-1, *a.shape[-2:])
    batch, (m, n) = np.arange(len(lu)), a.shape[-2:]
    pivots = np.zeros((len(lu), min(m, n)), "int32")
    for i in range(min(m, n)):
        pivot = i + np.abs(lu[:, i:, i]).argmax(1)
        pivots[:, i] = pivot
        rows = lu[batch, pivot].copy()
        lu[batch, pivot], lu[:, i] = lu[:, i].copy(), rows
        diagonal = lu[:, i, i]
        divisor = np.where(diagonal == 0, 1, diagonal)
        lu[:, i + 1 :, i] /= divisor[:, None]
        lu[:, i + 1 :, i + 1 :] -= lu[:, i + 1 :, i, None] * lu[:, i, None, i + 1 :]
    return in_dtype(lu.reshape(a.shape), a), pivots.reshape(*a.shape[:-2], -1)


def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: mode={mode}"
        )
    x = matrix(x)
    *batch, m, n = x.shape
    k = min(m, n) if mode == "reduced" else m
    specs = (spec_like(x, *batch, m, k), spec_like(x, *batch, k, n))
    return callout(
        lambda a: tuple(in_dtype(f, a) for f in np.linalg.qr(wide(a), mode)),
        x,
        label="qr",
        specs=specs,
        gradient=_qr_gradient if m >= n == k else None,
    )


def _qr_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    """(dQ + Q·sym(M)) R⁻ᵀ with M = R·dRᵀ − dQᵀ·Q; sym mirrors the lower triangle (Walter and Lehmann 2013)."""
    (q, r), (diff_q, diff_r) = outputs, diff_outputs
    m = product(r, transposed(diff_r)) - product(transposed(diff_q), q)
    mirrored = tril(m) + transposed(tril(m, -1))
    return [transposed(solve(r, transposed(diff_q + product(q, mirrored))))]


# --- eigenvalues ----------------------------------------------------------------------------------


def eig(a: Any) -> tuple[Any, Any]:
    a = matrix(a)
    if symbolic(a):
        raise NotImplementedError(
            "`eig` gives complex numbers, and a traced model's tensors are real. Use `eigh` for symmetric matrices."
        )
    values, vectors = np.linalg.eig(wide(a))
    return values, vectors


def eigh(a: Any) -> tuple[Any, Any]:
    a = matrix(a)
    specs = (spec_like(a, *a.shape[:-1]), spec_like(a, *a.shape))
    return callout(
        lambda m: tuple(in_dtype(f, m) for f in np.linalg.eigh(wide(m))),
        a,
        label="eigh",
        specs=specs,
        gradient=_eigh_gradient,
    )


def _eigh_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    """V (diag(dλ) + F ∘ (Vᵀ·dV)) Vᵀ with F_ij = 1/(λ_j − λ_i) off the diagonal."""
    (values, vectors), (diff_values, diff_vectors) = outputs, diff_outputs
    n = values.shape[-1]
    eye = constant(np.eye(n), values)
    row, column = (shaping.reshape(values, (*values.shape[:-1], *s)) for s in ((1, n), (n, 1)))
    inner: Any = None
    if diff_values is not None:
        inner = ops.multiply(shaping.reshape(diff_values, (*values.shape[:-1], 1, n)), eye)
    if diff_vectors is not None:
        gap = row - column
        same = ops.equal(gap, constant(0, gap))
        f = ops.select(same, constant(0, gap), constant(1, gap) / ops.select(same, constant(1, gap), gap))
        rotation = f * product(transposed(vectors), diff_vectors)
        inner = rotation if inner is None else inner + rotation
    gradient = matmul(vectors, inner, transposed(vectors))
    return [ops.multiply(gradient + transposed(gradient), constant(0.5, values))]
