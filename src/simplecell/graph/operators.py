"""Python's operators on symbolic values: arithmetic, comparison, indexing. Each records ops.

Types: a Python number takes the tensor's dtype (a float beside an integer tensor: both float32); an integer beside a
floating operand takes its dtype; otherwise the wider one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NoReturn

import numpy as np

from simplecell.graph.slices import moving_slices
from simplecell.graph.unknown import UnknownMask, UnknownValue
from simplecell.ops import elementwise as ew
from simplecell.ops import linear, reduction, shaping
from simplecell.ops.arguments import is_number
from simplecell.ops.base import Spec, Symbolic, spec_of
from simplecell.ops.dtypes import is_floating, is_inexact, is_integer, to_dtype


def promote(a: str, b: str) -> str:
    """The dtype in which operands of dtypes `a` and `b` meet."""
    if a == b:
        return a
    if is_inexact(a) != is_inexact(b):
        return a if is_inexact(a) else b
    if "bfloat16" in (a, b) or "float8" in a or "float8" in b:
        size_a, size_b = to_dtype(a).itemsize, to_dtype(b).itemsize
        return "float32" if size_a == size_b else (a if size_a > size_b else b)
    return np.promote_types(a, b).name


def _number_dtype(number: Any, other: str) -> str:
    if isinstance(number, bool):
        return other
    if isinstance(number, int):
        return "int32" if other == "bool" else other
    if isinstance(number, float):
        return other if is_inexact(other) else "float32"
    return "complex128" if other == "float64" else "complex64"


def matched(a: Any, b: Any) -> tuple[Any, Any]:
    """Both operands in one dtype."""
    if is_number(a):
        a = np.asarray(a, to_dtype(_number_dtype(a, spec_of(b).dtype)))
    elif is_number(b):
        b = np.asarray(b, to_dtype(_number_dtype(b, spec_of(a).dtype)))
    a, b = (x if isinstance(x, (Symbolic, np.ndarray)) else np.asarray(x) for x in (a, b))
    dtype = promote(spec_of(a).dtype, spec_of(b).dtype)
    return ew.cast(a, dtype), ew.cast(b, dtype)


def _is_operand(x: Any) -> bool:
    return is_number(x) or isinstance(x, (Symbolic, np.ndarray, np.generic))


def _two_sided(function: Callable[[Any, Any], Any]) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The operator's method, and the one for the operand on the right."""

    def forward(self: Any, other: Any) -> Any:
        return function(*matched(self, other)) if _is_operand(other) else NotImplemented

    def reflected(self: Any, other: Any) -> Any:
        return function(*matched(other, self)) if _is_operand(other) else NotImplemented

    return forward, reflected


def _divide(a: Any, b: Any) -> Any:
    if not is_inexact(spec_of(a).dtype):
        a, b = ew.cast(a, "float32"), ew.cast(b, "float32")
    return ew.divide(a, b)


def _logical_or_bitwise(
    logical: Callable[[Any, Any], Any], bitwise: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    return lambda a, b: (logical if spec_of(a).dtype == "bool" else bitwise)(a, b)


def _power(a: Any, b: Any) -> Any:
    if is_number(b) and b == 2:
        return ew.square(a)
    return ew.power(*matched(a, b))


def matrix_product(a: Any, b: Any) -> Any:
    """`a @ b` as in NumPy: a vector on the left is a row, on the right a column."""
    a, b = matched(a, b)
    rank_a, rank_b = len(spec_of(a).shape), len(spec_of(b).shape)
    if not rank_a or not rank_b:
        raise ValueError(
            f"`@` needs arrays of rank 1 or more; came {spec_of(a)} and {spec_of(b)}. Use `*` for scalars."
        )
    y = linear.matmul(shaping.expand_dims(a, 0) if rank_a == 1 else a, shaping.expand_dims(b, 1) if rank_b == 1 else b)
    return shaping.squeeze(y, tuple(axis for axis, gone in ((-2, rank_a == 1), (-1, rank_b == 1)) if gone))


def _matmul_method(self: Any, other: Any) -> Any:
    return matrix_product(self, other) if _is_operand(other) else NotImplemented


def _rmatmul_method(self: Any, other: Any) -> Any:
    return matrix_product(other, self) if _is_operand(other) else NotImplemented


def index(x: Any, key: Any) -> Any:
    """`x[key]` as in NumPy: integers, slices, None, Ellipsis, integer arrays or tensors, and known boolean arrays.

    A slice may begin at a tensor if its size is known, as in `x[a : a + 8]`. One that would reach over an end is moved
    back inside then.
    """
    entries = list(key) if isinstance(key, tuple) else [key]
    entries = [e for k in entries for e in _expanded_masks(k)]
    rank = len(spec_of(x).shape)
    used = sum(1 for e in entries if e is not None and e is not Ellipsis)
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("An index can have one Ellipsis ('...') only.")
    if used > rank:
        raise IndexError(f"Too many indices: {used} for {spec_of(x)}.")
    at = dots[0] if dots else len(entries)
    entries[at : at + 1] = [slice(None)] * (rank - used)
    x, entries = moving_slices(x, entries)
    advanced = any(_is_array(e) for e in entries)

    axis, starts, stops, steps, backwards = 0, [], [], [], []
    for e in entries:
        if e is None:
            continue
        n = spec_of(x).shape[axis]
        if isinstance(e, slice):
            start, stop, step = e.indices(n)
            count = len(range(start, stop, step))
            if step < 0:  # the same elements, forwards, then reversed
                start, stop, step = start + (count - 1) * step, start + 1, -step
                backwards.append(axis)
            starts.append(start if count else 0)
            stops.append(max(stop, start) if count else 0)
            steps.append(step)
        elif _is_array(e) or advanced:
            starts.append(0)
            stops.append(n)
            steps.append(1)
        else:
            i = int(e)
            if not -n <= i < n:
                raise IndexError(f"Index {i} is out of range for axis {axis} of {spec_of(x)}.")
            starts.append(i % n)
            stops.append(i % n + 1)
            steps.append(1)
        axis += 1
    x = shaping.strided_slice(x, starts, stops, steps)
    if backwards:
        x = shaping.reverse(x, backwards)
    kept = iter(spec_of(x).shape)
    shape: list[int] = []
    for e in entries:
        if e is None:
            shape.append(1)
        elif isinstance(e, slice) or advanced:
            shape.append(next(kept))
        else:
            next(kept)
    x = shaping.reshape(x, shape)
    return _advanced(x, entries) if advanced else x


def _is_array(entry: Any) -> bool:
    return isinstance(entry, (Symbolic, np.ndarray))


def _expanded_masks(entry: Any) -> list[Any]:
    """Lists become arrays; boolean masks, where known, the positions of their elements."""
    if isinstance(entry, (list, range)):
        entry = np.asarray(entry, np.int64 if len(entry) == 0 else None)
    if isinstance(entry, np.generic):
        entry = np.asarray(entry)
    if entry is True or entry is False:
        raise IndexError("A single bool is no index of a symbolic tensor. Use None for a new axis.")
    if not _is_array(entry):
        if entry is None or entry is Ellipsis or isinstance(entry, slice) or hasattr(entry, "__index__"):
            return [entry]
        raise IndexError(
            f"An index must be an integer, a slice, None, Ellipsis or an integer array; came {type(entry).__name__}."
        )
    dtype = spec_of(entry).dtype
    if dtype == "bool":
        if isinstance(entry, Symbolic):
            raise UnknownMask(
                "A boolean mask whose values are not known yet makes a result of unknown shape. Use "
                "`keras.ops.where(mask, x, 0)`, "
                "or compile with run_eagerly=True."
            )
        return list(np.nonzero(entry))
    if not is_integer(dtype):
        raise IndexError(f"An index array must hold integers; came {spec_of(entry)}.")
    return [entry.item() if isinstance(entry, np.ndarray) and entry.ndim == 0 else entry]


def _advanced(x: Any, entries: Sequence[Any]) -> Any:
    """Gather at integer arrays, which broadcast with each other (single integers among them count as arrays)."""
    axes = [i for i, e in enumerate(entries) if e is not None and not isinstance(e, slice)]
    indices = [np.asarray(int(entries[i])) if not _is_array(entries[i]) else entries[i] for i in axes]
    shape = spec_of(x).shape
    for axis, i in zip(axes, indices, strict=True):
        n = shape[axis]
        if isinstance(i, np.ndarray) and i.size and not (-n <= i.min() and i.max() < n):
            raise IndexError(f"Index {i.min() if i.min() < -n else i.max()} is out of range for an axis of extent {n}.")
    position = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    rest = [a for a in range(len(shape)) if a not in axes]
    order = rest[:position] + axes + rest[position:]
    x = shaping.transpose(x, order)
    if len(axes) == 1:
        return shaping.gather(x, indices[0], position)
    extents = [shape[a] for a in axes]
    x = shaping.reshape(x, (*(shape[a] for a in rest[:position]), prod(extents), *(shape[a] for a in rest[position:])))
    flat: Any = np.asarray(0, np.int32)
    for i, n in zip(indices, extents, strict=True):
        i = ew.cast(i, "int32")
        flat = ew.add(ew.multiply(flat, n), ew.select(ew.less(i, 0), ew.add(i, n), i))
    return shaping.gather(x, flat, position)


_UFUNC_NAMES = {"fabs": "absolute", "rint": "round", "invert": "bitwise_not", "conjugate": "positive"}


def _ufunc(function: np.ufunc, inputs: Sequence[Any]) -> Any:
    """NumPy's element-wise function of that name, recorded; NotImplemented where there is no op for it."""
    name = _UFUNC_NAMES.get(function.__name__, function.__name__)
    if name == "matmul":
        return matrix_product(*inputs)
    if name == "positive":
        return inputs[0]
    if name in ew.BINARY_FUNCTIONS:
        return (_divide if name == "divide" else getattr(ew, name))(*matched(*inputs))
    if name not in ew.UNARY_FUNCTIONS:
        return NotImplemented
    (x,) = inputs
    keeps_integers = name in (
        "absolute",
        "negative",
        "sign",
        "square",
        "floor",
        "ceil",
        "round",
        "trunc",
        "bitwise_not",
    )
    keeps_integers |= name.startswith(("is", "logical"))
    return ew.unary(name, x if keeps_integers or is_inexact(x.spec.dtype) else ew.cast(x, "float32"))


class Operators:
    """What Python's operators do with a symbolic value."""

    __slots__ = ()
    spec: Spec

    __add__, __radd__ = _two_sided(ew.add)
    __sub__, __rsub__ = _two_sided(ew.subtract)
    __mul__, __rmul__ = _two_sided(ew.multiply)
    __truediv__, __rtruediv__ = _two_sided(_divide)
    __floordiv__, __rfloordiv__ = _two_sided(ew.floor_divide)
    __mod__, __rmod__ = _two_sided(ew.remainder)
    __matmul__, __rmatmul__ = _matmul_method, _rmatmul_method
    __and__, __rand__ = _two_sided(_logical_or_bitwise(ew.logical_and, ew.bitwise_and))
    __or__, __ror__ = _two_sided(_logical_or_bitwise(ew.logical_or, ew.bitwise_or))
    __xor__, __rxor__ = _two_sided(_logical_or_bitwise(ew.logical_xor, ew.bitwise_xor))
    __lshift__, __rlshift__ = _two_sided(ew.left_shift)
    __rshift__, __rrshift__ = _two_sided(ew.right_shift)
    __lt__ = _two_sided(ew.less)[0]
    __le__ = _two_sided(ew.less_equal)[0]
    __gt__ = _two_sided(ew.greater)[0]
    __ge__ = _two_sided(ew.greater_equal)[0]
    __eq__ = _two_sided(ew.equal)[0]
    __ne__ = _two_sided(ew.not_equal)[0]
    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """`array + tensor`, `np.exp(tensor)`, and `array += tensor`, which binds the name to a tensor instead of
        writing to the array."""
        in_place = out is not None and len(out) == 1 and out[0] is inputs[0]
        if method != "__call__":  # np.prod, np.all
            self._not_known("The value")
        if options or not (out is None or in_place):
            return NotImplemented
        return _ufunc(ufunc, inputs)

    def __pow__(self, other: Any) -> Any:
        return _power(self, other) if _is_operand(other) else NotImplemented

    def __rpow__(self, other: Any) -> Any:
        return ew.power(*matched(other, self)) if _is_operand(other) else NotImplemented

    def __neg__(self) -> Any:
        return ew.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ew.absolute(self)

    def __invert__(self) -> Any:
        return ew.logical_not(self) if self.spec.dtype == "bool" else ew.bitwise_not(self)

    def __getitem__(self, key: Any) -> Any:
        return index(self, key)

    def __len__(self) -> int:
        if not self.spec.shape:
            raise TypeError("A scalar tensor has no length.")
        return self.spec.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (index(self, i) for i in range(len(self)))

    def _not_known(self, what: str) -> NoReturn:
        raise UnknownValue(
            f"{what} of a symbolic tensor ({self.spec}) is not known while the model is being traced: Python's `if`, "
            "`while`, `float()` and NumPy functions cannot depend on it. Use keras.ops in NumPy's place, "
            "keras.ops.where, keras.ops.cond or keras.ops.while_loop, or compile the model with run_eagerly=True."
        )

    def __bool__(self) -> bool:
        self._not_known("The truth value")

    def __float__(self) -> float:
        self._not_known("The value")

    def __int__(self) -> int:
        self._not_known("The value")

    def __index__(self) -> int:
        self._not_known("The value")

    def __complex__(self) -> complex:
        self._not_known("The value")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self._not_known("The value")

    def item(self) -> Any:
        self._not_known("The value")

    def numpy(self) -> Any:
        self._not_known("The value")

    @property
    def T(self) -> Any:
        return shaping.transpose(self)

    def reshape(self, *shape: Any) -> Any:
        return shaping.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *permutation: Any) -> Any:
        if not permutation or permutation == (None,):
            return shaping.transpose(self)
        return shaping.transpose(self, permutation if isinstance(permutation[0], int) else permutation[0])

    def flatten(self) -> Any:
        return shaping.reshape(self, (-1,)) if self.spec.size else shaping.reshape(self, (0,))

    def astype(self, dtype: Any) -> Any:
        return ew.cast(self, dtype if isinstance(dtype, str) else np.dtype(dtype).name)

    # `np.sum(tensor)` calls `tensor.sum(axis=…, dtype=None, out=None)`.
    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, out: None = None) -> Any:
        x = self if dtype is None else self.astype(dtype)
        return reduction.sum(ew.cast(x, "int32") if x.spec.dtype == "bool" else x, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, out: None = None) -> Any:
        x = self if dtype is None else self.astype(dtype)
        return reduction.mean(x if is_floating(x.spec.dtype) else ew.cast(x, "float32"), axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False, *, out: None = None) -> Any:
        return reduction.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, *, out: None = None) -> Any:
        return reduction.min(self, axis, keepdims)
