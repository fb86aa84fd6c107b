import numpy as np
import pytest

from simplecell.drawing.colours import colour, grey, signed

WHITE = [246, 246, 244]


def test_signed_is_centred_at_zero():
    pixels = signed([[-4, -1, 0, 1, 2]])
    assert pixels.shape == (1, 5, 3) and pixels.dtype == np.uint8
    assert pixels[0, 2].tolist() == WHITE
    assert pixels[0, 0, 2] > pixels[0, 0, 0] and pixels[0, 4, 0] > pixels[0, 4, 2]  # blue below, red above
    # equally far from zero is equally far from white
    assert np.abs(pixels[0, 1].astype(int) - WHITE).sum() > 0
    assert signed([[-1.0, 1.0]], limit=4)[0, 0].tolist() == signed([[-4.0, -1.0]])[0, 1].tolist()


def test_signed_extremes():
    assert signed(np.zeros((2, 2))).reshape(-1, 3).tolist() == [WHITE] * 4
    assert signed([[5.0]], limit=1).tolist() == signed([[1.0]]).tolist()
    assert signed([[np.nan, 1.0]])[0, 0].tolist() == [160, 0, 200]
    assert signed(np.zeros((0, 3))).shape == (0, 3, 3)


def test_grey():
    assert grey([[0, 5, 10]])[0, :, 0].tolist() == [0, 128, 255]
    assert grey([[0, 5, 10]], low=5, high=6)[0, :, 0].tolist() == [0, 0, 255]
    assert grey([[3.0, 3.0]])[0, :, 0].tolist() == [0, 0]
    assert grey([[np.nan, 0.0, 1.0]])[0, 2].tolist() == [255, 255, 255]


def test_colour():
    assert colour([[[0, 0.5, 2]]])[0, 0].tolist() == [0, 128, 255]
    with pytest.raises(ValueError, match=r"expected a last axis of 3 .* received shape \(4, 4\)"):
        colour(np.zeros((4, 4)))
