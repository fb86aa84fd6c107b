"""A vertical line detector over a picture: plain Keras.

Run it with:  simplecell run examples/tutorial_conv2d.py
"""

import keras
import numpy as np

# an 8 × 8 picture with a vertical line two pixels wide: (samples, rows, columns, channels)
picture = np.zeros((8, 8), dtype="float32")
picture[:, 3:5] = 1
data = picture.reshape(1, 8, 8, 1)

model = keras.Sequential()
model.add(keras.layers.Conv2D(1, (3, 3), input_shape=(8, 8, 1)))
detector = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype="float32")
model.set_weights([detector.reshape(3, 3, 1, 1), np.array([0.0], dtype="float32")])
print(model.get_weights()[0][:, :, 0, 0])

feature_map = model.predict(data, verbose=0)
for row in range(feature_map.shape[1]):
    print([float(feature_map[0, row, column, 0]) for column in range(feature_map.shape[2])])

for row in range(6):
    for column in range(6):
        window = picture[row : row + 3, column : column + 3]
        assert np.dot(detector.ravel(), window.ravel()) == feature_map[0, row, column, 0]
print(
    "all 36 values equal NumPy's dot products; the first row by hand:",
    [float((detector * picture[:3, c : c + 3]).sum()) for c in range(6)],
)
