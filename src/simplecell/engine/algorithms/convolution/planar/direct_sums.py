"""The outputs that a Fourier transform may not be trusted with (outliers.py), summed directly by the planar kernel."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.plan import Apart, Packing
from simplecell.engine.algorithms.convolution.planar.kernel import ConvolutionPlanar
from simplecell.engine.algorithms.convolution.planar.schedule import PlanarSchedule, PlanarTile, PlanarWeightsSchedule
from simplecell.engine.algorithms.convolution.planar.weights import PlanarWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue


def direct_sums(problem: ConvolutionProblem, lanes: int, epilogue: Epilogue, cells: int, rows: int) -> Apart:
    """What sums the marked outputs. A mark stands for a vector of a row; `rows` rows of outputs have `cells` each."""
    p, tile = problem, PlanarTile(1, 1)
    schedule, weights = PlanarSchedule.of(p, tile, lanes, cells), PlanarWeightsSchedule.of(p, tile)
    return Apart(
        ConvolutionPlanar(tile.vectors, tile.rows, p.oc, p.ic == 1, epilogue, marked=True),
        schedule,
        marks=cells * rows,
        scratch_bytes=schedule.scratch_bytes(tile),
        packing=Packing(PlanarWeights(), weights, weights.nbytes),
    )
