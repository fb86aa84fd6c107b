"""The base of Keras's `Layer` that the backend adds: while a function is traced, calls of layers are noted."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from simplecell.keras_backend.tracing import current_trace


class NumpyLayer:
    """Named as Keras imports it from its NumPy slot."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's `Layer.__call__` comes here when inputs are converted and the layer is built; `Operation.__call__`
        is next, which calls `call`."""
        call = super().__call__  # type: ignore[misc]
        trace = current_trace()
        if trace is None or trace.calls is None or in_symbolic_scope():
            return call(*args, **kwargs)
        return trace.calls.run(self, call, args, kwargs)
