"""Keras's `backend.math`."""

from simplecell.keras_backend.math.fourier import extract_sequences, fft, fft2, ifft2, irfft, istft, rfft, stft
from simplecell.keras_backend.math.segments import segment_max, segment_min, segment_prod, segment_sum
from simplecell.keras_backend.math.selection import in_top_k, top_k
from simplecell.keras_backend.math.special import cdist, erf, erfc, erfinv, logdet, logsumexp, rsqrt

__all__ = [
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
