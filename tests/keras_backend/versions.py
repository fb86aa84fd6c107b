"""What differs between the versions of Keras in the tested range."""

import keras
import pytest

since_3_15 = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="a function, an argument or a place of a function that Keras has from 3.15 on",
)
