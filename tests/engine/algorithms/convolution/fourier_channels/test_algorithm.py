"""What convolution of signals by Fourier transforms along the channels' vectors refuses."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import FourierChannels
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision
from tests.engine.algorithms.convolution.cases import Case, problem_of


def test_what_it_cannot_do_is_refused() -> None:
    def why(case: Case, precision: Precision = "tight") -> str | None:
        return FourierChannels().refuses(problem_of(case)[2], Setting(target(), 1, precision))

    assert why(Case((1, 900, 4), (30,), 64, 2)) is None
    assert "exact" in str(why(Case((1, 900, 4), (30,), 64), "exact"))
    assert "groups" in str(why(Case((1, 900, 4), (30,), 64, groups=2)))
    assert "signal" in str(why(Case((1, 90, 90, 4), (9, 9), 64)))
    assert "dilation" in str(why(Case((1, 900, 4), (30,), 64, dilation=2)))
    assert "channels" in str(why(Case((1, 900, 4), (30,), 3)))
    assert "short" in str(why(Case((1, 900, 4), (30,), 64, 9)))
    assert "many" in str(why(Case((1, 900, 512), (30,), 2048)))
