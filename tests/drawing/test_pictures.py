import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from simplecell import plotting


def test_exports():
    assert all(hasattr(plotting, name) for name in plotting.__all__)


def test_enlarge_and_shrink():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = plotting.enlarge(pixels, 5)
    assert large.shape == (10, 10, 3) and (large[:5, 5:] == pixels[0, 1]).all()
    assert (plotting.shrink(large, 2, 2) == pixels).all()
    assert plotting.shrink(large, 100, 100) is large
    assert plotting.shrink(np.zeros((10, 40, 3), np.uint8), 20, 20).shape == (5, 20, 3)


def test_mosaic():
    tiles = [np.full((2, 3, 3), i, np.uint8) for i in range(5)]
    sheet = plotting.mosaic(tiles, columns=2, gap=1)
    assert sheet.shape == (3 * 3 - 1, 2 * 4 - 1, 3)
    assert sheet[0, 0, 0] == 0 and sheet[0, 4, 0] == 1 and sheet[6, 0, 0] == 4
    assert (sheet[2] == 255).all() and (sheet[6:, 4:] == 255).all()
    with pytest.raises(ValueError, match="pictures of one size"):
        plotting.mosaic([tiles[0], np.zeros((3, 3, 3), np.uint8)])


def test_png_comes_back():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    file = plotting.png(pixels)
    assert (np.asarray(Image.open(BytesIO(file))) == pixels).all()
    head, text = plotting.data_uri(file).split(",")
    assert head == "data:image/png;base64" and base64.b64decode(text) == file


def test_filter_pictures():
    kernel = np.zeros((3, 3, 2, 4), np.float32)
    kernel[1, 1, 1, 2] = -5
    sheet = plotting.filter_pictures(kernel, channel=1, columns=4)
    assert sheet.shape == (3, 15, 3)
    assert sheet[1, 9].tolist() == [15, 58, 112]  # the middle of the third tile
    with pytest.raises(ValueError, match=r"with a channel 2, received shape \(3, 3, 2, 4\)"):
        plotting.filter_pictures(kernel, channel=2)


def test_feature_maps_share_one_scale():
    maps = np.zeros((2, 2, 2))
    maps[0, 0] = [1, 4]
    sheet = plotting.feature_maps(maps, columns=2)
    assert sheet[0, 3].tolist() == [255] * 3 and sheet[0, 0].tolist() == [64] * 3
    maps[1, 1, 0] = -4
    assert plotting.feature_maps(maps, columns=2)[1, 1].tolist() == [
        15,
        58,
        112,
    ]  # signed as soon as one value is negative
    with pytest.raises(ValueError, match=r"for a batch pass one item, maps\[0\]"):
        plotting.feature_maps(np.zeros((1, 2, 2, 2)))
