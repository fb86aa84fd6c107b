"""Layers that Keras lacks. They are registered with Keras, so models with them save and load wherever
`simplecell.layers` is imported."""

from .conv1d import Conv1D
from .conv2d import Conv2D
from .conv3d import Conv3D

__all__ = ["Conv1D", "Conv2D", "Conv3D"]
