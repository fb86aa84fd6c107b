"""What loops down the columns are given."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.columns.algorithm import DownColumns
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting


def test_operands_that_stay_have_no_stride_from_row_to_row() -> None:
    """x · scale + shift: x moves, scale goes along the row only, shift is one number."""
    both = (Instruction("multiply", (0, 1), "float32"), Instruction("add", (3, 2), "float32"))
    expression = Expression(("float32",) * 3, both, (4,))
    strides = ((800, 0, 0, 800), (8, 0, 0, 8), (1, 1, 0, 1))
    plan = DownColumns().plan(LoopProblem(expression, (4, 100, 8), strides, 3200, 0), Setting(target(), 1, "fast"))
    given = plan.schedule.arguments()
    assert given == {
        "n": 8, "rows": 100, "chunk": 2048, "d0": 4,
        "i0_s0": 800, "i1_s0": 0, "i2_s0": 0, "o0_s0": 800, "i0_row": 8, "o0_row": 8,
    }  # fmt: skip
    assert set(plan.kernel.arguments) == {*given, "i0", "i1", "i2", "o0"}
    assert plan.kernel.inputs == ("full", "channel", "scalar")
