"""Export of Keras models to TensorFlow's SavedModel, which needs TensorFlow."""

from __future__ import annotations

from typing import Any

_ADVICE = (
    "`export` to a SavedModel needs TensorFlow, which simplecell does without. Save the model with `model.save('model.keras')` and "
    "export it in a process that runs Keras on TensorFlow."
)


class NumpyExportArchive:
    """Named as Keras imports it from its NumPy slot."""

    def track(self, resource: Any) -> None:
        raise NotImplementedError(_ADVICE)

    def add_endpoint(self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any) -> None:
        raise NotImplementedError(_ADVICE)
