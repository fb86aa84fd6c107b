"""Keras's `backend.math`: segments, Fourier transforms, special functions."""

from simplecell.keras_backend.math.fourier import (
    _get_complex_tensor_from_tuple,
    extract_sequences,
    fft,
    fft2,
    ifft2,
    irfft,
    istft,
    rfft,
    stft,
)
from simplecell.keras_backend.math.segments import segment_max, segment_min, segment_prod, segment_sum
from simplecell.keras_backend.math.selection import in_top_k, top_k
from simplecell.keras_backend.math.special import cdist, erf, erfc, erfinv, logdet, logsumexp, rsqrt
from simplecell.keras_backend.signatures import unannotated

__all__ = [
    "_get_complex_tensor_from_tuple",
    "cdist",
    "erf",
    "erfc",
    "erfinv",
    "extract_sequences",
    "fft",
    "fft2",
    "ifft2",
    "in_top_k",
    "irfft",
    "istft",
    "logdet",
    "logsumexp",
    "rfft",
    "rsqrt",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "stft",
    "top_k",
]

unannotated(globals(), __all__)
