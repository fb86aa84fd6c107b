"""Export of Keras models to TensorFlow's SavedModel, which needs TensorFlow."""

from __future__ import annotations

from typing import Any

_ADVICE = (
    "`export_saved_model` only currently supports the tensorflow, jax and torch backends. Save the model with "
    "`model.save('model.keras')` and export it in a process that runs Keras on one of them."
)


class NumpyExportArchive:
    """Named as Keras imports it from its NumPy slot."""

    def track(self, resource: Any) -> None:
        raise NotImplementedError(_ADVICE)

    def track_and_add_endpoint(self, name: str, resource: Any, input_signature: Any, **kwargs: Any) -> None:
        raise NotImplementedError(_ADVICE)

    def add_endpoint(self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any) -> None:
        raise NotImplementedError(_ADVICE)
