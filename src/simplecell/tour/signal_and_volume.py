"""Chapter 3, continued: the same idea along one axis (an ECG) and along three (a brain)."""

from __future__ import annotations

import keras
import numpy as np

from simplecell.data import ECG_RATE, brain, ecg
from simplecell.filters import set_kernel
from simplecell.plotting import Curve, grey, signed

from .story import Check, Code, Picture, Pictures, Signals, Story, Text

WIDTH = 33
"""Weights of the beat detector: 92 ms, about as long as a QRS complex."""


def tell(story: Story) -> None:
    _heart(story)
    _brain(story)


def beat_filter() -> np.ndarray:
    """A peak between two valleys whose sum is 0: positive in its middle third, negative on both sides."""
    third = WIDTH // 3
    return np.concatenate([np.full(third, -1), np.full(third, 2), np.full(third, -1)]).astype(np.float32) / WIDTH


def peaks(response: np.ndarray, threshold: float, distance: int) -> np.ndarray:
    """The places of the largest values above `threshold`, at least `distance` apart."""
    found: list[int] = []
    for i in np.flatnonzero(response > threshold):
        if found and i - found[-1] < distance:
            if response[i] > response[found[-1]]:
                found[-1] = int(i)
        else:
            found.append(int(i))
    return np.array(found, int)


def _heart(story: Story) -> None:
    signal = ecg(seconds=10, start=4)
    layer = set_kernel(keras.layers.Conv1D(1, WIDTH, padding="same"), beat_filter())
    response = np.asarray(layer(signal.reshape(1, -1, 1)))[0, :, 0]
    beats = peaks(response, 0.5 * float(response.max()), ECG_RATE // 4)
    seconds = np.arange(len(signal)) / ECG_RATE
    direct = np.convolve(signal, beat_filter()[::-1], "same")
    story.show(
        Text(
            f"A filter over one axis finds beats in an **electrocardiogram**. It has {WIDTH} weights, "
            f"{WIDTH / ECG_RATE * 1000:.0f} milliseconds long: a peak between two valleys. "
            "Slow drift and the round waves between the beats cancel out; the sharp beats stay."
        ),
        Code(
            f"layer = keras.layers.Conv1D(1, {WIDTH}, padding='same')\nset_kernel(layer, beat_filter)\nresponse = "
            "layer(ecg.reshape(1, -1, 1))"
        ),
        Signals(
            [Curve("ECG", signal, "#69707a", seconds)], "ten seconds of a heart, 360 samples a second", "seconds", "mV"
        ),
        Signals(
            [
                Curve("response", response, "#2b77b6", seconds),
                Curve("beat", response[beats], "#d0472f", seconds[beats], dots=True),
            ],
            f"Conv1D's response: {len(beats)} beats in ten seconds, {6 * len(beats)} a minute",
            "seconds",
            "response",
        ),
        Check(
            "The layer's 3,600 values equal `np.convolve` with the flipped filter.",
            bool(np.allclose(response, direct, atol=1e-5)),
        ),
    )


def _brain(story: Story) -> None:
    volume = brain()
    layer = set_kernel(keras.layers.Conv3D(3, 3, padding="same"), ["sobel_x", "sobel_y", "sobel_z"])
    maps = np.asarray(layer(volume[None, ..., None]))[0]
    z, y, x = (n // 2 for n in volume.shape)
    limit = float(np.abs(maps).max()) * 0.6
    strength = np.sqrt((maps**2).sum(-1))
    z0, y0, x0 = 20, 30, 12
    window = volume[z0 - 1 : z0 + 2, y0 - 1 : y0 + 2, x0 - 1 : x0 + 2]
    by_hand = float((np.asarray(layer.kernel)[..., 0, 2] * window).sum())
    story.show(
        Text(
            f"And over three axes: a magnetic resonance image of a brain, {' × '.join(map(str, volume.shape))} voxels "
            "of 3 mm. Three filters of 3 × 3 × 3 measure how "
            "brightness changes from left to right, from front to back, and from top to bottom."
        ),
        Code(
            "layer = keras.layers.Conv3D(3, 3, padding='same')\nset_kernel(layer, ['sobel_x', 'sobel_y', "
            "'sobel_z'])\nmaps = layer(brain[None, ..., None])"
        ),
        Pictures(
            [
                Picture("brain-slice", grey(volume[z], 0, 1), "a slice from above, front on top", 4),
                Picture("brain-x", signed(maps[z, :, :, 0], limit), "`sobel_x`: left to right", 4),
                Picture("brain-y", signed(maps[z, :, :, 1], limit), "`sobel_y`: front to back", 4),
                Picture(
                    "brain-z",
                    signed(maps[:, y, :, 2], limit),
                    "`sobel_z`, in a slice seen from the front: top to bottom",
                    4,
                ),
                Picture("brain-side", grey(volume[:, :, x], 0, 1), "the same brain from the side", 4, terminal=False),
                Picture(
                    "brain-edges",
                    grey(strength[:, :, x], 0, limit * 1.4),
                    "all three together: the strength of the edges",
                    4,
                    terminal=False,
                ),
            ],
            signed=True,
        ),
        Check(
            "A value of the third map equals the sum of its 27 products.",
            abs(by_hand - float(maps[z0, y0, x0, 2])) < 1e-5,
        ),
    )
