"""Keras's `backend.linalg`: matrix functions. LAPACK through NumPy; the gradients are products and solves."""

from simplecell.keras_backend.linalg.derivatives import jvp
from simplecell.keras_backend.linalg.factorization import cholesky, cholesky_inverse, eig, eigh, lu_factor, qr
from simplecell.keras_backend.linalg.norms import norm
from simplecell.keras_backend.linalg.singular import svd
from simplecell.keras_backend.linalg.solving import (
    det,
    inv,
    lstsq,
    matrix_rank,
    pinv,
    sign_and_log_determinant,
    solve,
    solve_triangular,
)
from simplecell.keras_backend.signatures import unannotated

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "sign_and_log_determinant",
    "solve",
    "solve_triangular",
    "svd",
]

unannotated(globals(), __all__)
