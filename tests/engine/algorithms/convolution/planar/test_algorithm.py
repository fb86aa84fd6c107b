"""What planar convolution refuses."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.planar.algorithm import Planar
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from tests.engine.algorithms.convolution.cases import Case, problem_of
from tests.engine.targets import AVX2, AVX512, X86_64


def test_what_it_cannot_do_is_refused() -> None:
    def why(case: Case, on: Target = AVX512) -> str | None:
        return Planar().refuses(problem_of(case)[2], Setting(on, 1, "exact"))

    assert why(Case((1, 9, 97, 1), (3, 3), 1)) is None
    assert "groups" in str(why(Case((1, 9, 97, 2), (3, 3), 2, groups=2)))
    assert "strides" in str(why(Case((1, 9, 97, 1), (3, 3), 1, 2)))
    assert "8 input channels" in str(why(Case((1, 9, 97, 9), (3, 3), 1)))
    for on, most in ((AVX512, 8), (AVX2, 4), (X86_64, 2)):
        assert why(Case((1, 9, 97, 1), (3, 3), most), on) is None
        assert f"more than {most} output channels" in str(why(Case((1, 9, 97, 1), (3, 3), most + 1), on))
        assert why(Case((1, 9, 2 * on.lanes, 1), (3, 1), 1), on) is None
        assert "rows of less than two vectors" in str(why(Case((1, 9, 2 * on.lanes - 1, 1), (3, 1), 1), on))
