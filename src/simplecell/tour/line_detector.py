"""Chapter 2: a vertical line in an 8 × 8 picture, and a filter that answers to it wherever it stands."""

from __future__ import annotations

import keras
import numpy as np

from simplecell.filters import named, set_kernel

from .story import Chapter, Check, Code, Matrices, Matrix, Story, Text, arithmetic


def tell(story: Story) -> None:
    detector = named("vertical")
    layer = set_kernel(keras.layers.Conv2D(filters=1, kernel_size=3), detector)

    def feature_map(picture: np.ndarray) -> np.ndarray:
        return np.asarray(layer(picture[None, :, :, None]))[0, :, :, 0]

    picture = np.zeros((8, 8), np.float32)
    picture[:, 3:5] = 1
    moved = np.roll(picture, 2, axis=1)
    here, there = feature_map(picture), feature_map(moved)
    y, x = 2, 2
    window = picture[y : y + 3, x : x + 3]
    dots = np.array([[(detector * picture[i : i + 3, j : j + 3]).sum() for j in range(6)] for i in range(6)])
    story.show(
        Chapter(2, "A line detector"),
        Text(
            "The same in two dimensions. The picture is 8 × 8 with a vertical line two pixels wide; the filter is a "
            "vertical line itself, 3 × 3. "
            "It fits at 6 × 6 places: that many values has the **feature map**. It is 3 where the whole line lies "
            "under the filter's middle column, 0 elsewhere."
        ),
        Code(
            "layer = keras.layers.Conv2D(filters=1, kernel_size=3)\n"
            "simplecell.filters.set_kernel(layer, [[0, 1, 0],\n"
            "                                      [0, 1, 0],\n"
            "                                      [0, 1, 0]])\n"
            "layer(picture.reshape(1, 8, 8, 1))"
        ),
        Matrices(
            [
                Matrix("the picture, 8 × 8", picture, window=(y, 3, x, 3)),
                Matrix("the filter", detector),
                Matrix("the feature map, 6 × 6", here, window=(y, 1, x, 1)),
            ],
            ["∗", "="],
        ),
        Text(f"The value in row {y}, column {x}: `{arithmetic(detector, window)}`"),
        Text("Now the line stands two columns further to the right. The filter is the same; its response moves along."),
        Matrices([Matrix("the line, moved", moved), Matrix("the filter", detector),
        Matrix("the response has moved too", there)], ["∗", "="]),
        Check("All 36 values equal NumPy's dot products, and moving the line by two columns moves the feature "
        "map by two columns and changes nothing else.",
              bool((here == dots).all() and (there == np.roll(here, 2, axis=1)).all())),
    )  # fmt: skip
