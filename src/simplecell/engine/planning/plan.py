"""graph → program: fuse, lower, place."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from simplecell.engine.algorithms.convolution.separable.algorithm import joined
from simplecell.engine.planning.blocking import segments
from simplecell.engine.planning.fuse import Group, apart, fuse
from simplecell.engine.planning.images import Images
from simplecell.engine.planning.lowering import Lowering, Refused
from simplecell.engine.planning.pieces import lower_in_pieces
from simplecell.engine.planning.placement import places
from simplecell.engine.planning.pools import pooled
from simplecell.engine.planning.recompute import recompute
from simplecell.engine.planning.siblings import merge_siblings
from simplecell.engine.run.program import Program
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph

FAMILIES = (
    "loops.algorithm",
    "reductions.algorithm",
    "reductions.activation",
    "shaping.algorithm",
    "random.algorithm",
    "products.algorithm",
    "convolution.table",
    "convolution.depthwise.algorithm",
    "convolution.gradients",
    "pooling.algorithm",
    "resampling.algorithm",
)
"""Modules of `engine/algorithms` that register how ops become steps."""


@cache
def _load_lowerings() -> None:
    for name in FAMILIES:
        import_module(f"simplecell.engine.algorithms.{name}")


def plan(graph: Graph, target: Target, threads: int, precision: str) -> Program:
    """The program for a graph. Nothing is compiled here: that is `machine`'s, when the program is bound."""
    _load_lowerings()
    ctx = Lowering(graph, target, threads, precision)
    groups = pooled(joined(merge_siblings(recompute(fuse(graph), graph.outputs)), graph, target, threads), ctx)
    images = Images.of(groups, graph)
    ctx.place(places(groups, graph.outputs))
    for segment in segments(groups, images, ctx):
        try:
            if segment.most < images.batch:
                lower_in_pieces(ctx, segment.groups, segment.most, images, segment.wanted)
                continue
        except Refused:
            pass  # then all images at once
        for group in segment.groups:
            _lower(ctx, group)
    return ctx.finish()


def _lower(ctx: Lowering, group: Group) -> None:
    try:
        ctx.lower(group)
    except Refused as refused:
        for single in apart(refused.group):
            ctx.lower(single)
