"""Chapter 3, on a photograph: all its lines, correlation against convolution, shapes, and colours."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from simplecell import layers
from simplecell.data import photograph
from simplecell.filters import named, set_kernel
from simplecell.plotting import colour, grey, signed

from .story import Chapter, Check, Code, Matrices, Matrix, Picture, Pictures, Story, Table, Text, arithmetic, number


def tell(story: Story) -> None:
    story.show(Chapter(3, "Filters on real data"))
    picture = photograph(grey=True)
    _lines(story, picture)
    _convolution_or_correlation(story)
    _shapes(story, picture)
    _colours(story, photograph())


def _lines(story: Story, picture: np.ndarray) -> None:
    inputs = keras.Input((256, 256, 1))
    lines = set_kernel(keras.layers.Conv2D(2, 3, activation="relu"), ["vertical_line", "horizontal_line"])(inputs)
    both = set_kernel(keras.layers.Conv2D(1, 1), [[[1.0, 1.0]]])(lines)
    model = keras.Model(inputs, [lines, both])
    maps, combined = (np.asarray(y)[0] for y in model.predict(picture[None, :, :, None], verbose=0))
    top = float(np.quantile(maps, 0.995))  # a few reflections would leave all else in the dark
    vertical, horizontal, every = maps[..., 0], maps[..., 1], combined[..., 0]
    story.show(
        Text(
            "A photograph has grey everywhere, so a detector should compare: 2 for the line, −1 for both of its sides. "
            "Where the picture is even, "
            "the sum is 0. ReLU keeps the positive answers, the bright lines. A second layer adds both maps into one "
            "of **all lines**."
        ),
        Matrices(
            [
                Matrix("vertical_line", named("vertical_line"), signed=True),
                Matrix("horizontal_line", named("horizontal_line"), signed=True),
            ]
        ),
        Code(
            "lines = set_kernel(keras.layers.Conv2D(2, 3, activation='relu'),\n"
            "                   ['vertical_line', 'horizontal_line'])\n"
            "both = set_kernel(keras.layers.Conv2D(1, 1), [[[1, 1]]])  # adds the two maps"
        ),
        Pictures(
            [
                Picture("photograph", grey(picture, 0, 1), "the photograph, 256 × 256"),
                Picture(
                    "lines-vertical",
                    grey(vertical, 0, top),
                    "vertical lines after ReLU",
                    small=grey(_strongest(vertical), 0, top),
                ),
                Picture(
                    "lines-horizontal",
                    grey(horizontal, 0, top),
                    "horizontal lines after ReLU",
                    small=grey(_strongest(horizontal), 0, top),
                ),
                Picture(
                    "lines-all", grey(every, 0, top), "both added: all lines", small=grey(_strongest(every), 0, top)
                ),
            ],
            across=2,
        ),
        Check(
            "The combined map is the sum of the two maps, everywhere.",
            bool(np.allclose(every, vertical + horizontal, atol=1e-6)),
        ),
    )


def _strongest(values: np.ndarray, block: int = 5) -> np.ndarray:
    """The largest value of each block of pixels: a mean would make thin lines fade in a small picture."""
    rows, columns = (n // block for n in values.shape)
    return np.asarray(values[: rows * block, : columns * block].reshape(rows, block, columns, block).max((1, 3)))


def _convolution_or_correlation(story: Story) -> None:
    signal, weights = np.array([0, 0, 0, 1, 0, 0, 0], np.float32), np.array([1, 2, 3], np.float32)

    def through_layer(kernel: np.ndarray) -> np.ndarray:
        layer = set_kernel(keras.layers.Conv1D(1, 3), kernel)
        return np.asarray(layer(signal.reshape(1, -1, 1)))[0, :, 0]

    correlation, convolution = through_layer(weights), through_layer(weights[::-1])
    story.show(
        Text(
            "A word about words. What a convolution layer computes is called **cross-correlation** in signal "
            "processing: the filter is laid on as it is. "
            "True **convolution** flips the filter first. A single 1 shows the difference: correlation leaves the "
            "filter there backwards, convolution forwards. "
            "To a network that learns its filters it is all the same; to a hand-made filter that is not symmetric it "
            "is not."
        ),
        Table(
            ["", "of `[0 0 0 1 0 0 0]` with `[1 2 3]`", "NumPy"],
            [
                ["Conv1D, the filter as it is", "  ".join(map(number, correlation)), "`np.correlate`"],
                ["Conv1D, the filter flipped", "  ".join(map(number, convolution)), "`np.convolve`"],
            ],
        ),
        Check(
            "The layer equals `np.correlate`; with the filter flipped it equals `np.convolve`.",
            correlation.tolist() == np.correlate(signal, weights, "valid").tolist()
            and convolution.tolist() == np.convolve(signal, weights, "valid").tolist(),
        ),
    )


def _shapes(story: Story, picture: np.ndarray) -> None:
    batch = picture[None, :, :, None]
    kinds: list[tuple[str, Any, str]] = [
        ("`padding='valid'`", keras.layers.Conv2D(1, 3), "(256 − 3) + 1"),
        ("`padding='same'`", keras.layers.Conv2D(1, 3, padding="same"), "a border of zeros, as wide as needed"),
        (
            "`padding='reflect'`",
            layers.Conv2D(1, 3, padding="reflect"),
            "the same size; the border mirrors the picture",
        ),
        (
            "`padding='circular'`",
            layers.Conv2D(1, 3, padding="circular"),
            "the same size; the border is the opposite edge",
        ),
        (
            "`padding=((0, 1), (2, 3))`",
            layers.Conv2D(1, 3, padding=((0, 1), (2, 3))),
            "(256 + 1 − 3) + 1 and (256 + 5 − 3) + 1",
        ),
        ("`strides=2`", keras.layers.Conv2D(1, 3, strides=2), "⌊(256 − 3) / 2⌋ + 1: every other place"),
        (
            "`dilation_rate=4`",
            keras.layers.Conv2D(1, 3, dilation_rate=4),
            "the 3 weights reach over 9 pixels: (256 − 9) + 1",
        ),
        ("`strides=2, dilation_rate=4`", layers.Conv2D(1, 3, strides=2, dilation_rate=4), "⌊(256 − 9) / 2⌋ + 1"),
    ]
    rows, maps, agree = [], {}, True
    for words, layer, why in kinds:
        set_kernel(layer, "vertical_line")
        output = np.asarray(layer(batch))
        agree = agree and tuple(layer.compute_output_shape(batch.shape)) == output.shape
        maps[words] = output[0, :, :, 0]
        ours = " (`simplecell.layers`)" if isinstance(layer, (layers.Conv2D,)) else ""
        rows.append([words + ours, f"{output.shape[1]} × {output.shape[2]}", why])
    limit = float(np.quantile(np.abs(maps["`padding='valid'`"]), 0.995))
    corner = (slice(None, 24), slice(None, 24))
    story.show(
        Text(
            "Three settings decide how large a feature map is. **Padding** adds a border, **strides** skip places, "
            "**dilation** spreads the weights apart. "
            "Here the vertical line detector goes over the same 256 × 256 photograph with each of them."
        ),
        Table(["layer", "feature map", "why"], rows),
        Pictures(
            [
                Picture(
                    "padding-same",
                    signed(maps["`padding='same'`"][corner], limit),
                    "upper left corner with `same`: the border of zeros looks like a line",
                    6,
                ),
                Picture(
                    "padding-reflect",
                    signed(maps["`padding='reflect'`"][corner], limit),
                    "with `reflect` it does not",
                    6,
                ),
                Picture("strides", signed(maps["`strides=2`"], limit), "`strides=2`: half the size"),
                Picture(
                    "dilation", signed(maps["`dilation_rate=4`"], limit), "`dilation_rate=4`: broader lines answer"
                ),
            ],
            signed=True,
        ),
        Check("Every layer predicted the shape of its feature map.", agree),
    )


def _colours(story: Story, picture: np.ndarray) -> None:
    kernel = np.stack([named("sobel_x"), named("sobel_x"), -2 * named("sobel_x")], axis=-1)
    layer = set_kernel(keras.layers.Conv2D(1, 3), kernel)
    whole = np.asarray(layer(picture[None]))[0, :, :, 0]
    parts = []
    for channel in range(3):
        one = set_kernel(keras.layers.Conv2D(1, 3), kernel[..., channel])
        parts.append(np.asarray(one(picture[None, :, :, channel : channel + 1]))[0, :, :, 0])
    y, x = np.unravel_index(np.abs(whole).argmax(), whole.shape)
    window = picture[y : y + 3, x : x + 3]
    sums = [float((kernel[..., c] * window[..., c]).sum()) for c in range(3)]
    limit = float(np.quantile(np.abs(whole), 0.998))
    story.show(
        Text(
            "A colour picture has three channels, and so has the filter: 3 × 3 × 3 = 27 weights. Each slice works on "
            "its own colour, and the three **partial sums** add up to "
            "one value. This filter looks for edges where red and green change together and blue the other way: edges "
            "from blue to yellow."
        ),
        Table(
            ["channel", f"weights × pixels at row {y}, column {x}", "sum"],
            [
                *(
                    [name, arithmetic(kernel[..., c], window[..., c]).rsplit("=", 1)[0], number(sums[c])]
                    for c, name in enumerate(("red", "green", "blue"))
                ),
                ["together", " + ".join(f"({number(s)})" for s in sums), number(sum(sums))],
            ],
        ),
        Pictures(
            [
                Picture("colour-photograph", colour(picture), "red, green and blue"),
                *(
                    Picture(f"colour-{n}", signed(p, limit), f"partial sum of {n}", terminal=False)
                    for n, p in zip(("red", "green", "blue"), parts)
                ),
                Picture("colour-sum", signed(whole, limit), "their sum: the feature map"),
            ],
            signed=True,
        ),
        Check(
            "The three partial maps add up to the layer's feature map.",
            bool(np.allclose(sum(parts), whole, atol=1e-5) and abs(sum(sums) - whole[y, x]) < 1e-4),
        ),
    )
