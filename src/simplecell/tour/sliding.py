"""Chapter 1: a filter slides over eight numbers."""

from __future__ import annotations

import keras
import numpy as np

from simplecell.filters import set_kernel

from .story import Chapter, Check, Code, Slide, Story, Text

SIGNAL = (0, 0, 0, 1, 1, 0, 0, 0)
FILTER = (0, 1, 0)


def tell(story: Story) -> None:
    story.show(
        Chapter(1, "A filter slides over a signal"),
        Text(
            "Eight numbers with a bump in the middle, and a filter of three weights that looks for one. The filter is "
            "laid on the first three "
            "numbers, each weight is multiplied with the number below it, and the products are added. Then it moves "
            "one step on. "
            "Three weights fit into eight numbers at **six** places, so six values come out."
        ),
        Code(
            "layer = keras.layers.Conv1D(filters=1, kernel_size=3)\n"
            "simplecell.filters.set_kernel(layer, [0, 1, 0])\n"
            "layer(np.array([0, 0, 0, 1, 1, 0, 0, 0], 'float32').reshape(1, 8, 1))"
        ),
    )
    layer = set_kernel(keras.layers.Conv1D(filters=1, kernel_size=3), FILTER)
    signal = np.array(SIGNAL, np.float32)
    output = np.asarray(layer(signal.reshape(1, -1, 1)))[0, :, 0]
    slide = Slide(SIGNAL, FILTER, output)
    story.show(
        slide,
        Check(
            "All six values of the layer equal NumPy's dot product of filter and window, and answer exactly where the "
            "bump is.",
            [dot for _, _, dot, _ in slide.rows()] == output.tolist() == [0, 0, 1, 1, 0, 0],
        ),
    )
