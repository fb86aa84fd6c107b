import xml.etree.ElementTree as ET

import numpy as np
import pytest

from simplecell.drawing.curves import Curve, curves, ticks


def points(svg):
    line = next(e for e in ET.fromstring(svg) if e.tag == "polyline")
    return np.array([[float(v) for v in p.split(",")] for p in line.attrib["points"].split()])


def test_is_xml_with_every_label_escaped():
    svg = curves([Curve("a < b", [1, 2, 3]), Curve("dots", [2, 2], x=[0, 1], dots=True)], "seconds", "mV & more")
    root = ET.fromstring(svg)
    words = [e.text for e in root.iter() if e.text]
    assert "a < b" in words and "seconds" in words and "mV & more" in words
    assert len([e for e in root if e.tag == "circle"]) == 2


def test_places():
    xy = points(curves([Curve("", [0, 10])], width=200, height=100))
    assert xy[0, 0] == 52 and xy[-1, 0] == 192 and xy[0, 1] > xy[-1, 1]  # from the left to the right edge, upwards


def test_no_peak_and_no_tail_is_lost_by_thinning():
    signal = np.zeros(100_000)
    signal[77_777] = 1
    xy = points(curves([Curve("", signal)], width=500, height=200))
    assert len(xy) < 2000
    assert xy[:, 1].min() == 10  # the top of the plot
    assert xy[-1, 0] == 492  # the right edge


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0]])
def test_flat(values):
    assert np.isfinite(points(curves([Curve("", values)]))).all()


@pytest.mark.parametrize(
    "low, high, about, expected",
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (-0.1, 0.1, 4, [-0.1, -0.05, 0, 0.05, 0.1]), (0.3, 0.9, 3, [0.4, 0.6, 0.8])],
)
def test_ticks(low, high, about, expected):
    np.testing.assert_allclose(ticks(low, high, about), expected, atol=1e-12)


def test_errors():
    with pytest.raises(ValueError, match="at least one curve"):
        curves([])
    with pytest.raises(ValueError, match="'a' has 2 values at 3 places"):
        curves([Curve("a", [1, 2], x=[1, 2, 3])])
