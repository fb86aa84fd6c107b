"""A filter slides over a signal: plain Keras.

Run it with:  simplecell run examples/tutorial_conv1d.py
"""

import keras
import numpy as np

# eight numbers with a bump in the middle, as Keras wants them: (samples, steps, channels)
data = np.array([0, 0, 0, 1, 1, 0, 0, 0], dtype="float32").reshape(1, 8, 1)

model = keras.Sequential([keras.Input((8, 1)), keras.layers.Conv1D(1, 3)])
# one filter of three weights that looks for a bump, and its bias: (steps, channels, filters) and (filters,)
weights = [np.array([[[0]], [[1]], [[0]]], dtype="float32"), np.array([0.0], dtype="float32")]
model.set_weights(weights)
print(model.get_weights())

feature_map = model.predict(data, verbose=0)
print(feature_map[0, :, 0])

for start in range(6):
    window = data[0, start : start + 3, 0]
    by_hand = np.dot([0, 1, 0], window)
    terms = "+".join(f"({w:.0f}×{x:.0f})" for w, x in zip([0, 1, 0], window))
    print(f"{terms}={by_hand:.0f}   the layer: {feature_map[0, start, 0]:.0f}")
    assert by_hand == feature_map[0, start, 0]
