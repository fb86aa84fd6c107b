"""Our own vectorised elementary functions: emitters on float32 scalars and vectors of any length, for every target.

Each states its bound in ULP (distance from the true value, in units of the result's last place), and the tests hold it
over dense samples, denormals, ±0, ±inf, NaN and huge arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from simplecell.engine.code.emit import Emitter, Value
from simplecell.engine.code.functions import error_function, exponential, logarithm, trigonometric

FUNCTIONS: dict[str, Callable[[Emitter, Value], Value]] = {
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "sigmoid": exponential.sigmoid,
    "tanh": exponential.tanh,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "softplus": logarithm.softplus,
    "arcsinh": logarithm.arcsinh,
    "arccosh": logarithm.arccosh,
    "arctanh": logarithm.arctanh,
    "erf": error_function.erf,
    "erfc": error_function.erfc,
    "erfinv": error_function.erfinv,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "arcsin": trigonometric.arcsin,
    "arccos": trigonometric.arccos,
    "arctan": trigonometric.arctan,
}
"""Functions of one float32 operand, by their names in `ops.elementwise`."""

ULP_BOUNDS: dict[str, float] = {name: 1.0 for name in FUNCTIONS} | {
    "exp": 2.0,
    "exp2": 2.0,
    "expm1": 2.0,
    "sigmoid": 2.5,
    "tanh": 2.0,
    "log": 2.0,
    "log1p": 2.0,
    "softplus": 3.0,
    "erf": 2.0,
}
"""The stated bound of each function's error."""
