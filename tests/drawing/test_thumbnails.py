import numpy as np
import pytest

from simplecell.drawing.thumbnails import thumbnail


def test_every_rank_has_one():
    assert thumbnail(np.ones((8, 8, 3)), size=48).shape == (48, 3 * 48 + 2 * 2, 3)
    assert thumbnail(np.ones((96, 48, 20)), size=48).shape == (48, 16 * 24 + 15 * 2, 3)
    assert thumbnail(np.ones((5, 8, 8, 2)), size=16).shape == (16, 34, 3)
    assert thumbnail(np.ones((12, 4))).shape == (24, 12 * 16, 3)
    assert thumbnail(np.ones((4000, 4))).shape[1] <= 8 * 48
    assert thumbnail(np.ones(10)).shape == (8, 80, 3)


def test_scales():
    assert thumbnail(np.array([0.0, 2.0]))[0, [0, -1]].tolist() == [[0] * 3, [255] * 3]
    low, zero, high = thumbnail(np.array([-2.0, 0.0, 1.0]))[0, [0, 8, -1]].tolist()
    assert low[2] > low[0] and high[0] > high[2] and min(zero) > 240
    middle = thumbnail(np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1)), np.zeros((4, 4, 1))]), size=4)
    assert (middle == 255).all()
    assert thumbnail(np.array([np.nan, 1.0]))[0, 0].tolist() == [160, 0, 200]


def test_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"maps: must hold values, got shape \(0, 3\)"):
        thumbnail(np.ones((0, 3)))
