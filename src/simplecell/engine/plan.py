"""graph → program: fuse, lower, place."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from simplecell.engine.blocking import segments
from simplecell.engine.fuse import Group, apart, fuse
from simplecell.engine.images import Images
from simplecell.engine.lowering.context import Lowering, Refused
from simplecell.engine.lowering.pieces import lower_in_pieces
from simplecell.engine.lowering.pooled import pooled
from simplecell.engine.lowering.separable import joined
from simplecell.engine.placement import places
from simplecell.engine.program import Program
from simplecell.engine.recompute import recompute
from simplecell.engine.siblings import merge_siblings
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph

LOWERINGS = (
    "elementwise",
    "reduction",
    "shaping",
    "activation",
    "random",
    "linear",
    "convolution",
    "depthwise",
    "convolution_gradients",
    "pooling",
    "resampling",
)


@cache
def _load_lowerings() -> None:
    for name in LOWERINGS:
        if find_spec(f"simplecell.engine.lowering.{name}"):
            import_module(f"simplecell.engine.lowering.{name}")


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
