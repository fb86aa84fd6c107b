"""The families of algorithms. Each registers what it lowers, chooses and joins when it is imported: a new one is a line
here."""

from simplecell.engine.algorithms.convolution import pools as _pools
from simplecell.engine.algorithms.convolution import table as _convolution
from simplecell.engine.algorithms.convolution.gradient_src import table as _gradient_src
from simplecell.engine.algorithms.convolution.gradient_weights import table as _gradient_weights
from simplecell.engine.algorithms.convolution.separable import algorithm as _separable
from simplecell.engine.algorithms.loops import table as _loops
from simplecell.engine.algorithms.pooling import table as _pooling
from simplecell.engine.algorithms.products import table as _products
from simplecell.engine.algorithms.random import algorithm as _random
from simplecell.engine.algorithms.reductions import table as _reductions
from simplecell.engine.algorithms.reductions.positions import algorithm as _positions
from simplecell.engine.algorithms.reductions.running import algorithm as _running
from simplecell.engine.algorithms.reductions.softmax import algorithm as _softmax
from simplecell.engine.algorithms.resampling import algorithm as _resampling
from simplecell.engine.algorithms.shaping import moving as _moving
from simplecell.engine.algorithms.shaping import padding as _padding
from simplecell.engine.algorithms.shaping.gather import algorithm as _gather
from simplecell.engine.algorithms.shaping.one_hot import algorithm as _one_hot
from simplecell.engine.algorithms.shaping.scatter_add import algorithm as _scatter_add

FAMILIES = (
    _loops,
    _reductions,
    _positions,
    _running,
    _softmax,
    _moving,
    _padding,
    _gather,
    _scatter_add,
    _one_hot,
    _random,
    _products,
    _convolution,
    _separable,
    _gradient_src,
    _gradient_weights,
    _pools,
    _pooling,
    _resampling,
)
