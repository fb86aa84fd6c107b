"""Named whole networks, as Keras builds them without downloads: random weights, batch-norm statistics that are not
trivial."""

from __future__ import annotations

from typing import Any

import numpy as np

NETWORKS = ("ResNet50", "VGG16", "MobileNetV2", "EfficientNetLite0")


def build(name: str, seed: int = 0) -> Any:
    """A Keras model of that name, 224×224×3, with reproducible weights."""
    import keras

    keras.utils.set_random_seed(seed)
    model = _lite0(keras) if name == "EfficientNetLite0" else getattr(keras.applications, name)(weights=None)
    rng = np.random.default_rng(seed)
    for layer in model.layers:  # statistics as after training: scales near 1, so that values neither grow nor vanish
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape
            layer.set_weights(
                [rng.uniform(0.8, 1.2, n), rng.normal(0, 0.1, n), rng.normal(0, 0.1, n), rng.uniform(0.8, 1.2, n)]
            )
    return model


def _lite0(keras: Any) -> Any:
    """EfficientNet-Lite0 (Liu, 2020): B0 without squeeze-and-excitation, ReLU6, fixed stem and head."""
    layers = keras.layers

    def unit(x: Any, filters: int, kernel: int, stride: int = 1, relu: bool = True, depthwise: bool = False) -> Any:
        if depthwise:
            x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False)(x)
        else:
            x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False)(x)
        x = layers.BatchNormalization(epsilon=1e-3)(x)
        return layers.ReLU(6.0)(x) if relu else x

    x = inputs = keras.Input((224, 224, 3))
    x = unit(x, 32, 3, 2)
    stages = [
        (1, 16, 3, 1, 1),
        (6, 24, 3, 2, 2),
        (6, 40, 5, 2, 2),
        (6, 80, 3, 2, 3),
        (6, 112, 5, 1, 3),
        (6, 192, 5, 2, 4),
        (6, 320, 3, 1, 1),
    ]
    for expand, filters, kernel, first_stride, repeats in stages:
        for i in range(repeats):
            stride, start = (first_stride if i == 0 else 1), x
            if expand > 1:
                x = unit(x, expand * x.shape[-1], 1)
            x = unit(x, 0, kernel, stride, depthwise=True)
            x = unit(x, filters, 1, relu=False)
            if stride == 1 and start.shape[-1] == filters:
                x = layers.Add()([start, x])
    x = unit(x, 1280, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x), name="EfficientNetLite0")
