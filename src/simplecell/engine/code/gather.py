"""Vectors whose elements lie apart in memory."""

from __future__ import annotations

import llvmlite.ir as ir

from simplecell.engine.code.emit import ELEMENT, I32, I64, PTR, VOID, Emitter, Index, Value


def lane_offsets(e: Emitter, first: Index, step: Index, lanes: int | None = None) -> Value:
    """first + lane · step, as 64-bit integers."""
    lanes = e.lanes if lanes is None else lanes
    lane = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return e.b.add(e.splat(first.ir, lanes), e.b.mul(lane, e.splat(step.ir, lanes)))


def gather(e: Emitter, pointer: Value, offsets: Value, element: ir.Type, mask: Value | None = None) -> Value:
    """pointer[offsets] (in elements); lanes that `mask` leaves out read as zero and touch no memory."""
    lanes = offsets.type.count
    typ, pointers, bools = ir.VectorType(element, lanes), ir.VectorType(PTR, lanes), ir.VectorType(ir.IntType(1), lanes)
    at = _pointers(e, pointer, offsets, element)
    name = f"llvm.masked.gather.v{lanes}{_suffix(element)}.v{lanes}p0"
    fn = e.intrinsic(name, typ, [pointers, I32, bools, typ])
    return e.b.call(
        fn,
        [
            at,
            I32(_size(element)),
            mask if mask is not None else ir.Constant(bools, [1] * lanes),
            ir.Constant(typ, None),
        ],
    )


def scatter(
    e: Emitter, value: Value, pointer: Value, offsets: Value, element: ir.Type, mask: Value | None = None
) -> None:
    """pointer[offsets] = value, lane after lane."""
    lanes = offsets.type.count
    typ, pointers, bools = ir.VectorType(element, lanes), ir.VectorType(PTR, lanes), ir.VectorType(ir.IntType(1), lanes)
    at = _pointers(e, pointer, offsets, element)
    fn = e.intrinsic(f"llvm.masked.scatter.v{lanes}{_suffix(element)}.v{lanes}p0", VOID, [typ, pointers, I32, bools])
    e.b.call(fn, [value, at, I32(_size(element)), mask if mask is not None else ir.Constant(bools, [1] * lanes)])


def _pointers(e: Emitter, pointer: Value, offsets: Value, element: ir.Type) -> Value:
    bases = e.splat(e.b.ptrtoint(pointer, I64), offsets.type.count)
    size = ir.Constant(offsets.type, [_size(element)] * offsets.type.count)
    return e.b.inttoptr(e.b.add(bases, e.b.mul(offsets, size)), ir.VectorType(PTR, offsets.type.count))


def _size(element: ir.Type) -> int:
    return element.width // 8 if isinstance(element, ir.IntType) else 4 if element == ELEMENT["float32"] else 8


def _suffix(element: ir.Type) -> str:
    return f"i{element.width}" if isinstance(element, ir.IntType) else "f32" if element == ELEMENT["float32"] else "f64"
