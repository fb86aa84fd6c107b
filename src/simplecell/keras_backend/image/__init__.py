"""Keras's `backend.image`: colours, resizing, geometric transforms, fixed filters."""

from simplecell.keras_backend.image.color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from simplecell.keras_backend.image.filters import gaussian_blur, sobel_edges
from simplecell.keras_backend.image.resize import (
    RESIZE_INTERPOLATIONS,
    SCALE_AND_TRANSLATE_METHODS,
    resize,
    scale_and_translate,
)
from simplecell.keras_backend.image.sampling import MAP_COORDINATES_FILL_MODES, map_coordinates
from simplecell.keras_backend.image.transform import (
    AFFINE_TRANSFORM_FILL_MODES,
    AFFINE_TRANSFORM_INTERPOLATIONS,
    affine_transform,
    compute_homography_matrix,
    elastic_transform,
    perspective_transform,
)
from simplecell.keras_backend.signatures import unannotated

__all__ = [
    "AFFINE_TRANSFORM_FILL_MODES",
    "AFFINE_TRANSFORM_INTERPOLATIONS",
    "MAP_COORDINATES_FILL_MODES",
    "RESIZE_INTERPOLATIONS",
    "SCALE_AND_TRANSLATE_METHODS",
    "affine_transform",
    "compute_homography_matrix",
    "elastic_transform",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
]

unannotated(globals(), __all__)
