"""Ops that change nothing, and arithmetic with 0, 1 and known exponents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simplecell.graph.rewrites.facts import Facts, Rule, is_uniform, known, produced_by, uniform
from simplecell.graph.tensor import Tensor
from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.base import Op
from simplecell.ops.dtypes import is_floating, to_dtype
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.reduction import Reduce
from simplecell.ops.resampling import Resize
from simplecell.ops.shaping import BroadcastTo, Concatenate, Pad, Reshape, Slice, Transpose

Inputs = Sequence[Tensor]


def without_effect(op: Op, inputs: Inputs, facts: Facts) -> Tensor | None:
    """stop_gradient; casts, reshapes, broadcasts, slices, resizes and transposes to what is there already; a join of
    one."""
    x = inputs[0]
    same = (
        isinstance(op, StopGradient)
        or (isinstance(op, Cast) and op.dtype == x.spec.dtype)
        or (isinstance(op, (Reshape, BroadcastTo)) and op.shape == x.shape)
        or (isinstance(op, Transpose) and op.permutation == tuple(range(x.ndim)))
        or (isinstance(op, Pad) and not any(map(any, op.widths)))
        or (isinstance(op, Slice) and not any(op.start) and op.stop == x.shape and set(op.step) <= {1})
        or (isinstance(op, Concatenate) and len(inputs) == 1)
        or (isinstance(op, Resize) and op.size == x.shape[1:-1])
        or (isinstance(op, Reduce) and not op.axes)
    )
    return x if same else None


def inverse_of_inverse(op: Op, inputs: Inputs, facts: Facts) -> Tensor | None:
    """negative(negative(x)), not(not(x)), and a reversal of a reversal."""
    (x,) = inputs
    if isinstance(op, Unary) and op.function not in ("negative", "logical_not", "bitwise_not"):
        return None
    return x.node.inputs[0] if x.node.op == op and x.node.inputs[0].spec.dtype == x.spec.dtype else None


def cast_of_cast(op: Cast, inputs: Inputs, facts: Facts) -> Tensor | None:
    """A cast over a dtype that holds every value of the first one: straight to the last."""
    (x,) = inputs
    if produced_by(x, Cast) is None:
        return None
    source = x.node.inputs[0]
    lossless = np.can_cast(to_dtype(source.spec.dtype), x.dtype, "safe")
    return ew.cast(source, op.dtype) if lossless else None


def neutral_operand(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """x + 0, x - 0, x · 1, x / 1, x ** 1, and with the operands swapped where that is the same."""
    a, b = inputs
    neutral = {"add": 0, "subtract": 0, "multiply": 1, "divide": 1, "power": 1}[op.function]
    kept = None
    if is_uniform(b, neutral):
        kept = a
    elif op.function in ("add", "multiply") and is_uniform(a, neutral):
        kept = b
    return None if kept is None else shaping.broadcast_to(kept, op.output_spec(a.spec, b.spec).shape)


def known_power(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """x ** 2, 3, 0.5, -0.5, -1 without the general power."""
    a, b = inputs
    p = uniform(b)
    if p is None or op.output_spec(a.spec, b.spec).shape != a.shape:
        return None
    if p == 2:
        return ew.square(a)  # type: ignore[no-any-return]
    if p == 3:
        return ew.multiply(a, ew.square(a))  # type: ignore[no-any-return]
    exact = {0.5: ew.sqrt, -0.5: ew.rsqrt, -1.0: ew.reciprocal}.get(float(p)) if is_floating(a.spec.dtype) else None
    return None if exact is None else exact(a)


def division_by_power_of_two(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """x / 2ⁿ as x · 2⁻ⁿ: the same bits, and several times faster."""
    a, b = inputs
    divisor = uniform(b)
    if not isinstance(divisor, float) or not np.isfinite(divisor) or divisor == 0 or not is_floating(b.spec.dtype):
        return None
    mantissa, exponent = np.frexp(divisor)
    if abs(mantissa) != 0.5 or not -100 < exponent < 100 or b.dtype.itemsize < 4:
        return None
    return ew.multiply(a, shaping.full(b.shape, 1 / divisor, b.spec.dtype))  # type: ignore[no-any-return]


def maximum_with_zero(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """max(x, 0) is relu."""
    for x, other in (inputs, tuple(reversed(inputs))):
        if is_uniform(other, 0) and op.output_spec(x.spec, other.spec).shape == x.shape and is_floating(x.spec.dtype):
            return ew.unary("relu", x)  # type: ignore[no-any-return]
    return None


def known_condition(op: Select, inputs: Inputs, facts: Facts) -> Tensor | None:
    """A condition that is the same everywhere, or two branches that are the same tensor."""
    condition, a, b = inputs
    value = uniform(condition)
    if a is not b and value is None:
        return None
    shape = op.output_spec(*(t.spec for t in inputs)).shape
    return shaping.broadcast_to(a if a is b or value else b, shape)  # type: ignore[no-any-return]


def needless_broadcast(op: Op, inputs: Inputs, facts: Facts) -> Tensor | None:
    """An operand that is broadcast, or given leading axes of extent 1, where the op itself does it (constants of one
    value included)."""
    for i, t in enumerate(inputs):
        small: Tensor | np.ndarray | None = t.node.inputs[0] if produced_by(t, BroadcastTo) else None
        if produced_by(t, Reshape) and t.shape == (1,) * (t.ndim - t.node.inputs[0].ndim) + t.node.inputs[0].shape:
            small = t.node.inputs[0]
        value = known(t)
        if value is not None and value.size > 1 and uniform(t) is not None:
            small = value[(0,) * value.ndim]
        if small is None:
            continue
        shapes = [s.shape for j, s in enumerate(inputs) if j != i] + [small.shape]
        if np.broadcast_shapes(*shapes) == op.output_spec(*(s.spec for s in inputs)).shape:  # type: ignore[union-attr]
            replaced = [
                np.asarray(small) if j == i and not isinstance(small, Tensor) else small if j == i else s
                for j, s in enumerate(inputs)
            ]
            other = next(s for s in replaced if isinstance(s, Tensor))
            return other.trace(op, replaced)  # type: ignore[no-any-return]
    return None


def arithmetic(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """The rules for the functions of two operands."""
    rules: dict[str, tuple[Rule, ...]] = {
        "add": (neutral_operand,),
        "subtract": (neutral_operand,),
        "multiply": (neutral_operand,),
        "divide": (neutral_operand, division_by_power_of_two),
        "power": (neutral_operand, known_power),
        "maximum": (maximum_with_zero,),
    }
    for rule in rules.get(op.function, ()):
        result = rule(op, inputs, facts)
        if result is not None:
            return result
    return None
