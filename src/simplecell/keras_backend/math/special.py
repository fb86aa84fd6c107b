"""Error functions, log-sum-exp, distances, determinants."""

from __future__ import annotations

from typing import Any

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import constant, floating, promote, unary
from simplecell.keras_backend.linalg import sign_and_log_determinant
from simplecell.keras_backend.numpy.reductions import axes_of, reduce
from simplecell.keras_backend.numpy.shaping import expand_dims
from simplecell.ops import reduction

rsqrt = unary("rsqrt", ops.rsqrt)
erf = unary("erf", ops.erf)
erfc = unary("erfc", ops.erfc)
erfinv = unary("erfinv", ops.erfinv)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    (x,) = promote(convert_to_tensor(x), rule=floating)
    return reduction.logsumexp(x, axes_of(axis, len(x.shape)), keepdims)


def cdist(x: Any, y: Any) -> Any:
    x, y = promote(convert_to_tensor(x), convert_to_tensor(y), rule=floating)
    squares = reduce("sum", ops.square(ops.subtract(expand_dims(x, -2), expand_dims(y, -3))), -1, False)
    same = ops.equal(squares, constant(0, squares))  # the root has no gradient at 0
    return ops.select(same, constant(0, squares), ops.sqrt(ops.select(same, constant(1, squares), squares)))


def logdet(x: Any) -> Any:
    return sign_and_log_determinant(x)[1]
