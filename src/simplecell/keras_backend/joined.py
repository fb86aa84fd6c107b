"""The outputs of many batches, each written to its place in arrays that hold them all: memory for the outputs once, not
twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src import tree

Shape = tuple[int, ...]


class Joined:
    """What a step returns for each batch, joined along the first axis.

    Args:
        batches: how many will come, if that is known.
        samples: how many samples they have together, if that is known.
    """

    def __init__(self, batches: int | None = None, samples: int | None = None) -> None:
        self._batches, self._samples = batches, samples
        self._structure: Any = None
        self._columns: list[_Column] = []
        self._starts: list[int] = []

    def room(self, specs: Sequence[tuple[Shape, np.dtype[Any]] | None], count: int) -> list[np.ndarray | None]:
        """For each leaf of the next batch's outputs the array to write it to; None where `add` is to copy it.

        Args:
            specs: shape and dtype of each leaf, None where it has no place of its own.
            count: how many samples the batch has.
        """
        rooms: list[np.ndarray | None] = []
        for i, spec in enumerate(specs):
            rows = None if spec is None else self._column(i, *spec, count).next(*spec)
            rooms.append(rows if rows is not None and spec is not None and rows.dtype == spec[1] else None)
        return rooms

    def add(self, outputs: Any, count: int) -> None:
        """Take the outputs of a batch, those that were written to `room` where they are."""
        leaves = tree.flatten(outputs)
        if self._structure is None:
            self._structure = (
                tree.map_structure(lambda _: None, outputs) if len(leaves) != 1 or leaves[0] is not outputs else _ONE
            )
        elif self._structure is not _ONE:
            tree.assert_same_structure(self._structure, tree.map_structure(lambda _: None, outputs))
        for i, leaf in enumerate(leaves):
            array = np.asarray(leaf)
            column = self._column(i, array.shape, array.dtype, count)
            if not np.may_share_memory(array, column.array):
                column.next(array.shape, array.dtype)[...] = array
            column.used += array.shape[0]

    def begin(self) -> None:
        """What `since` gives starts here."""
        self._starts = [column.used for column in self._columns]

    def since(self) -> Any:
        """A copy of what came since `begin`. (The arrays themselves may move when they grow.)"""
        starts = self._starts or [0] * len(self._columns)
        return self._packed(
            [column.array[start : column.used].copy() for start, column in zip(starts, self._columns, strict=True)]
        )

    def result(self) -> Any:
        """All outputs, which are the caller's from now on."""
        return self._packed([column.finished() for column in self._columns])

    def __bool__(self) -> bool:
        return self._structure is not None

    def _packed(self, arrays: list[np.ndarray]) -> Any:
        return arrays[0] if self._structure is _ONE else tree.pack_sequence_as(self._structure, arrays)

    def _column(self, i: int, shape: Shape, dtype: np.dtype[Any], count: int) -> _Column:
        if i == len(self._columns):
            if not shape:
                raise ValueError(
                    "An output of the model is a scalar, which has no batch axis to join batches along. Use "
                    "`predict_on_batch`."
                )
            self._columns.append(_Column(shape, dtype, self._expected(shape[0], count)))
        return self._columns[i]

    def _expected(self, rows: int, count: int) -> int:
        """How many rows there will be, if the first batch of `count` samples gives `rows`."""
        if self._samples is not None and count and rows % count == 0:
            return max(rows, rows // count * self._samples)
        return rows * (self._batches or 1)


_ONE = object()
"""The structure of a single array."""


class _Column:
    """One array, of which the first `used` rows are written."""

    def __init__(self, shape: Shape, dtype: np.dtype[Any], expected: int) -> None:
        self.used = 0
        try:
            self.array = np.empty((expected, *shape[1:]), dtype)
        except MemoryError:  # there may be fewer than was said
            self.array = np.empty(shape, dtype)

    def next(self, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        """The rows after those that are written, for an array of that shape and dtype (or a wider one, if rows of that
        came before)."""
        if shape[1:] != self.array.shape[1:] or len(shape) != self.array.ndim:
            raise ValueError(
                f"The outputs of one batch have the shape {(self.used, *self.array.shape[1:])} and those of the next "
                f"{shape}: they cannot be joined. "
                "Give inputs of one size, or call `predict_on_batch` for each."
            )
        if dtype != self.array.dtype:
            self.array = self.array.astype(np.result_type(dtype, self.array.dtype))
        end = self.used + shape[0]
        if end > len(self.array):
            # By an eighth: the system moves pages, not bytes, and at most that share is there in vain. Nobody holds
            # views of it.
            self.array.resize((max(end, self.used + self.used // 8), *shape[1:]), refcheck=False)
        return self.array[self.used : end]

    def finished(self) -> np.ndarray:
        if self.used < len(self.array):
            self.array.resize((self.used, *self.array.shape[1:]), refcheck=False)
        return self.array
