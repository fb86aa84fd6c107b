"""The batches of an epoch, as Keras iterates over them, where that does not warn or repeat itself without need."""

from __future__ import annotations

from itertools import islice
from typing import Any

from keras.src.trainers.data_adapters import data_adapter_utils
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.epoch_iterator import EpochIterator


class Batches(EpochIterator):
    """Yields (first step, last step, list of batches): `steps_per_execution` batches at a time, fewer at the end of the
    data.

    Keras's own warns that the data ran out whenever `steps_per_execution` does not divide them, or a generator ends.
    """

    _num_batches: int | None
    _current_iterator: Any

    def __next__(self) -> tuple[int, int, list[Any]]:
        begin, end, iterator = next(self._epoch_iterator)
        batches = list(islice(iterator, end - begin + 1))
        if begin + len(batches) <= end:
            self._end_of_data(begin + len(batches))
        if not batches:
            raise StopIteration
        return begin, end, batches

    def _end_of_data(self, seen: int) -> None:
        """As Keras when a generator ends: its length is known from now on. If there was to be more, it says so."""
        if self._num_batches is not None and self._steps_seen >= self._num_batches:
            return  # a whole number of executions would have been more than all
        if self.steps_per_epoch or self._num_batches is not None:
            self._interrupted_warning()
        if self._num_batches is None:
            self._num_batches = seen
        self._current_iterator = None
        self.data_adapter.on_epoch_end()

    @property
    def num_samples(self) -> int | None:
        """How many samples there will be, if that is known: arrays are cut into batches of one size, of which the last
        may be smaller."""
        adapter = self.data_adapter
        if not isinstance(adapter, ArrayDataAdapter) or adapter.batch_size is None:
            return None
        whole: int = adapter.num_batches * adapter.batch_size
        if adapter.partial_batch_size:
            whole -= adapter.batch_size - adapter.partial_batch_size
        return min(whole, (self.steps_per_epoch or adapter.num_batches) * adapter.batch_size)

    def first(self) -> Any:
        """The first batch, for its shapes. Call `reset` afterwards.

        Keras begins an epoch for that. Then a dataset's workers fetch ahead, and what they fetched stands twice at the
        head of the next epoch.
        """
        adapter = self.data_adapter
        if isinstance(adapter, PyDatasetAdapter):
            fetched = [adapter._standardize_batch(adapter.py_dataset[0])]
            return next(iter(data_adapter_utils.get_numpy_iterator(iter(fetched))))
        for _, _, batches in self:
            return batches[0]
        raise ValueError("There is no data: `x` holds no batch. Pass at least one sample.")
