"""Numbers as pictures: signed scales centred at zero, mosaics of filters and feature maps, curves, and all of it in a
terminal."""

from simplecell.drawing.colours import Pixels, colour, grey, signed
from simplecell.drawing.curves import Curve, curves, ticks
from simplecell.drawing.pictures import data_uri, enlarge, mosaic, png, shrink
from simplecell.drawing.terminal import numbers, picture, sparkline
from simplecell.drawing.weights import feature_maps, filter_pictures

__all__ = [
    "Curve",
    "Pixels",
    "colour",
    "curves",
    "data_uri",
    "enlarge",
    "feature_maps",
    "filter_pictures",
    "grey",
    "mosaic",
    "numbers",
    "picture",
    "png",
    "shrink",
    "signed",
    "sparkline",
    "ticks",
]
