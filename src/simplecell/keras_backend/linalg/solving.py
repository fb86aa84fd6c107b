"""Inverses, determinants and linear systems."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.dispatch import callout, promote
from simplecell.keras_backend.linalg.singular import singular_values
from simplecell.keras_backend.linalg.support import in_dtype, matmul, matrix, spec_like, transposed, wide
from simplecell.keras_backend.numpy.indexing import tril, triu
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.reductions import max, sum
from simplecell.ops import shaping


def inv(a: Any) -> Any:
    a = matrix(a)
    return callout(
        lambda m: in_dtype(np.linalg.inv(wide(m)), m),
        a,
        label="inv",
        specs=spec_like(a, *a.shape),
        gradient=_inv_gradient,
    )


def _inv_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    inverse = transposed(outputs[0])
    return [ops.negative(matmul(inverse, diff_outputs[0], inverse))]


# --- determinants -----------------------------------------------------------------------------------------------------


def _scaled_inverse(a: Any, factor: Any) -> Any:
    return ops.multiply(transposed(inv(a)), shaping.reshape(factor, (*factor.shape, 1, 1)))


def det(a: Any) -> Any:
    a = matrix(a)
    return callout(
        lambda m: in_dtype(np.linalg.det(wide(m)), m),
        a,
        label="det",
        specs=spec_like(a, *a.shape[:-2]),
        gradient=lambda inputs, outputs, diffs: [_scaled_inverse(inputs[0], outputs[0] * diffs[0])],
    )


def sign_and_log_determinant(a: Any) -> tuple[Any, Any]:
    a = matrix(a)
    spec = spec_like(a, *a.shape[:-2])

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        return [None if diffs[1] is None else _scaled_inverse(inputs[0], diffs[1])]

    return callout(
        lambda m: tuple(in_dtype(v, m) for v in np.linalg.slogdet(wide(m))),
        a,
        label="slogdet",
        specs=(spec, spec),
        gradient=gradient,
    )


def slogdet(x: Any) -> tuple[Any, Any]:
    """The same, by the name and argument of Keras's `numpy`."""
    return sign_and_log_determinant(x)


# --- linear systems ---------------------------------------------------------------------------------------------------


def _columns(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both in one dtype, b as columns; and whether b was a vector."""
    a, b = promote(matrix(a), matrix(b))
    vector = len(b.shape) == len(a.shape) - 1
    return a, shaping.reshape(b, (*b.shape, 1)) if vector else b, vector


def solve(a: Any, b: Any) -> Any:
    a, b, vector = _columns(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = callout(
        lambda m, v: in_dtype(np.linalg.solve(wide(m), wide(v)), m),
        a,
        b,
        label="solve",
        specs=spec_like(a, *batch, *b.shape[-2:]),
        gradient=_solve_gradient,
    )
    return shaping.reshape(x, tuple(x.shape[:-1])) if vector else x


def _solve_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    diff_b = solve(transposed(inputs[0]), diff_outputs[0])
    return [ops.negative(product(diff_b, transposed(outputs[0]))), diff_b]


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    return solve(tril(matrix(a)) if lower else triu(matrix(a)), b)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    a, b = promote(matrix(a), matrix(b))
    if len(a.shape) != 2 or len(b.shape) not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(
            f"`lstsq` needs a of shape (m, n) and b of shape (m,) or (m, k). Received: a.shape={tuple(a.shape)}, "
            f"b.shape={tuple(b.shape)}"
        )
    return callout(
        lambda m, v: in_dtype(np.linalg.lstsq(wide(m), wide(v), rcond)[0], m),
        a,
        b,
        label="lstsq",
        specs=spec_like(a, a.shape[1], *b.shape[1:]),
        gradient=_lstsq_gradient,
    )


def _lstsq_gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
    """Through x = A⁺·b."""
    a, b, diff = inputs[0], _as_columns(inputs[1]), _as_columns(diff_outputs[0])
    inverse = pinv(a)
    diff_a = _through_pseudo_inverse(a, inverse, product(diff, transposed(b)))
    return [diff_a, shaping.reshape(product(transposed(inverse), diff), tuple(inputs[1].shape))]


def _as_columns(b: Any) -> Any:
    return shaping.reshape(b, (*b.shape, 1)) if len(b.shape) == 1 else b


def pinv(x: Any, rcond: float | None = None) -> Any:
    x = matrix(x)
    limit = np.finfo(wide(np.zeros((), x.dtype)).dtype).eps * np.max(x.shape[-2:]) if rcond is None else rcond
    return callout(
        lambda a: in_dtype(np.linalg.pinv(wide(a), limit), a),
        x,
        label="pinv",
        specs=spec_like(x, *x.shape[:-2], x.shape[-1], x.shape[-2]),
        gradient=lambda inputs, outputs, diffs: [_through_pseudo_inverse(inputs[0], outputs[0], diffs[0])],
    )


def _through_pseudo_inverse(a: Any, inverse: Any, diff: Any) -> Any:
    """From dA⁺ to dA, where the rank stays (Golub and Pereyra 1973)."""
    m, n = a.shape[-2:]
    p, pt, dt = inverse, transposed(inverse), transposed(diff)
    left = ops.subtract(np.eye(m, dtype=a.dtype), product(a, p))
    right = ops.subtract(np.eye(n, dtype=a.dtype), product(p, a))
    return matmul(left, dt, p, pt) + matmul(pt, p, dt, right) - matmul(pt, diff, pt)


def matrix_rank(x: Any, tol: float | None = None) -> Any:
    x = matrix(x)
    s = singular_values(x)
    if tol is None:
        eps = np.finfo(wide(np.zeros((), x.dtype)).dtype).eps
        limit = ops.multiply(max(s, -1, True), np.asarray(eps * np.max(x.shape[-2:]), s.dtype))
    else:
        limit = np.asarray(tol, s.dtype)
    return sum(ops.cast(ops.greater(s, limit), "int32"), -1)
