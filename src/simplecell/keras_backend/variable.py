"""Keras's Variable on NumPy arrays that cannot be written to, so that what is derived from a value (packed weights) can
trust that it stays.

Each assignment puts one new `Cell` into its place, by one store: who sees the same cell sees the same value, in any
thread. Random initial values are drawn when they are first asked for: a model that is loaded from a file never asks.
"""

from __future__ import annotations

import contextlib
import mmap
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.stateless_scope import get_stateless_scope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from keras.src.backend.common.variables import is_float_dtype

from simplecell.graph.tensor import placeholder
from simplecell.keras_backend import numpy as functions
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.ops.base import Spec

_OPERATORS = frozenset(
    "add subtract multiply true_divide floor_divide mod power matmul equal not_equal less less_equal greater "
    "greater_equal".split()
)


class Changes:
    """Has anything happened to any variable of the process? Each change puts a new object here, after it has been made:
    whoever sees the same object as before has missed nothing. (Numbers would not do: two threads can count to the same
    one.)"""

    __slots__ = ("structure", "values")

    def __init__(self) -> None:
        self.values = object()
        """a variable got a value"""
        self.structure = object()
        """a variable was made, or a `trainable` flag set"""


changes = Changes()


class Cell:
    """A value of a variable, from one assignment to the next. The array is drawn when it is first asked for, if the
    cell was made for that."""

    __slots__ = ("_array", "_draw")

    def __init__(self, array: np.ndarray | None, draw: Callable[[], np.ndarray] | None = None) -> None:
        self._array, self._draw = array, draw

    @property
    def array(self) -> np.ndarray | None:
        array, draw = self._array, self._draw
        if array is None and draw is not None:
            self._array = array = draw()  # of two threads that draw at once both draw the same
            self._draw = None
        return self._array if array is None else array


class Variable(KerasVariable):
    """`cell` is another one with each new value. `value` is a read-only array; inside a trace it is the tensor that
    stands for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cell = Cell(None)
        super().__init__(*args, **kwargs)
        changes.structure = object()

    @property
    def _array(self) -> np.ndarray | None:
        """The value; None if there is none yet."""
        return self.cell.array

    @property
    def _value(self) -> np.ndarray | None:
        return self.cell.array

    @_value.setter
    def _value(self, value: np.ndarray | None) -> None:
        if value is not None:
            value.flags.writeable = False
        self._put(Cell(value))

    def _put(self, cell: Cell) -> None:
        self.cell = cell
        changes.values = object()

    @property
    def value(self) -> Any:
        scope = get_stateless_scope()
        while scope is not None:  # an inner scope knows some variables, the trace around it all of them
            found = scope.get_current_value(self)
            if found is not None:
                return self._maybe_autocast(found)
            scope = scope.original_scope
        if in_symbolic_scope() and (self._array is None or self._shape):
            # Only shapes are wanted: neither initialize nor compute.
            return self._maybe_autocast(placeholder(Spec(self._shape, self._dtype), self._path, "parameter"))
        if self._array is None:
            return self._maybe_autocast(self._initializer(self._shape, dtype=self._dtype))
        return self._maybe_autocast(self._array)

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: Any) -> None:
        self._trainable = bool(value)
        changes.structure = object()

    def _initialize_with_initializer(self, initializer: Any) -> None:
        if _repeatable(initializer) and is_float_dtype(self._dtype):
            self._put(Cell(None, partial(_drawn, initializer, self._shape, self._dtype)))
        else:
            super()._initialize_with_initializer(initializer)

    def _initialize(self, value: Any) -> None:
        """Its first value, or what an initializer gave, which need not have kept to the dtype and shape."""
        array = convert_to_tensor(value, dtype=self._dtype)
        if self._shape is not None and array.shape != tuple(self._shape):
            raise ValueError(
                f"initializer: must return an array of the variable's shape {tuple(self._shape)}, got {array.shape} "
                f"for `{self._path}`."
            )
        self._value = owned(array)

    def _direct_assign(self, value: Any) -> None:
        self._value = owned(value)

    def _convert_to_tensor(self, value: Any, dtype: Any = None) -> Any:
        return convert_to_tensor(value, dtype=dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.value, dtype=dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """`array * variable`: as `variable * array`, by Keras's promotion, and recorded inside a trace."""
        inputs = tuple(x.value if isinstance(x, KerasVariable) else x for x in inputs)
        name = {"divide": "true_divide", "remainder": "mod"}.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not options and name in _OPERATORS:
            return getattr(functions, name)(*inputs)
        return getattr(ufunc, method)(*inputs, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__dict__)  # arrays are read-only: sharing them is safe
        changes.structure = object()
        return copy

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.cell._array is not None:
            self.cell._array.flags.writeable = False
        changes.structure = object()


def assign_together(variables: Sequence[Variable], arrays: Sequence[np.ndarray]) -> None:
    """New values for several variables in one step of the interpreter, which neither a signal's exception nor another
    thread comes between. The arrays are the variables' own from now on."""
    cells: list[Any] = []
    for array in arrays:
        array.flags.writeable = False
        cells.append(Cell(array))
    owners = [*variables, changes]
    names = ["cell"] * len(cells) + ["values"]
    deque(map(setattr, owners, names, [*cells, object()]), maxlen=0)


LARGE, HUGE = 1 << 16, 1 << 22
"""Bytes from which on a value gets pages of its own, which go back to the system when it dies, and large ones. The C
library would keep them: after its first large arrays have come and gone, it takes those that follow from its heap,
which shrinks only at its end."""


def owned(value: Any) -> np.ndarray:
    """`value` as an array that nobody else can write to: shared if it is read-only and owns its memory, else copied."""
    array = np.asarray(value)
    if (
        not array.flags.writeable
        and (array.flags.owndata or isinstance(array.base, mmap.mmap))
        and array.flags.c_contiguous
    ):
        return array
    if array.nbytes < LARGE:
        return np.array(array, order="C")
    copy: np.ndarray = np.ndarray(array.shape, array.dtype, _pages(array.nbytes))
    copy[...] = array
    return copy


def _pages(nbytes: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows, whose anonymous maps are private
        return mmap.mmap(-1, nbytes)
    pages = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE") and nbytes >= HUGE:
        with contextlib.suppress(OSError):  # a kernel without large pages
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def _drawn(initializer: Any, shape: Any, dtype: str) -> np.ndarray:
    array: np.ndarray = convert_to_tensor(initializer(shape, dtype=dtype), dtype)
    array.flags.writeable = False  # fresh from the generator: ours
    return owned(array)


def _repeatable(initializer: Any) -> bool:
    """Does it draw the same values whenever it is called? Keras's own random ones do, with a number as their seed (or
    none: they have drawn one by now). Others may fail, or have effects, and are called at once."""
    from keras.src.initializers import random_initializers

    kind = type(initializer)
    return (
        issubclass(kind, random_initializers.RandomInitializer)
        and kind.__module__ == random_initializers.__name__
        and not issubclass(kind, random_initializers.Orthogonal)  # refuses some shapes
        and type(initializer.seed) is int
    )
