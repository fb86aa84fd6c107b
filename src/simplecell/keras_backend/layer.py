"""The base of Keras's `Layer` that the backend adds: nothing."""

from __future__ import annotations


class NumpyLayer:
    """Named as Keras imports it from its NumPy slot."""
