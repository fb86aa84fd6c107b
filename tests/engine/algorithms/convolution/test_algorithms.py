"""Every algorithm of the table on every convolution that it does not refuse, against float64, on buffers that end or
begin at a page that must not be touched."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.table import ALGORITHMS
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.host import host, target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.precision import PROMISES, Precision
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, CASES, Case, problem_of
from tests.engine.algorithms.convolution.running import convolved
from tests.engine.harness import available_targets

FAST = 3e-5
"""`fast` promises this share of the largest output."""

TARGETS = [*available_targets(), *(["amx"] if host().matrix else [])]


def bound(case: Case, precision: Precision, largest: float) -> float:
    """Of the error. A running sum of n standard normal products grows as √k; each addition rounds 2⁻²⁴ of it, and the
    roundings add up as a random walk does: by 2⁻²⁴ · n / √2 in the end, and six times that in the worst of thousands of
    outputs. What `tight` allows beside direct sums is a few times that."""
    terms = np.prod(case.kernel) * case.src[-1] / case.groups
    direct = 6 * 2.0**-24 * (terms + 4)
    return float(FAST * largest if precision == "fast" else direct if precision == "exact" else 3 * direct)


def of_the_case(algorithm: ConvolutionAlgorithm, case: Case, on: str) -> dict[Precision, str | None]:
    """Why it refuses the case, by precision."""
    _, _, problem = problem_of(case)
    return {p: algorithm.refuses(problem, Setting(target(on), 1, p)) for p in PROMISES}


@pytest.mark.parametrize("on", TARGETS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_algorithm_computes_what_it_does_not_refuse(case: Case, on: str) -> None:
    seed = int(np.random.default_rng().integers(2**32))
    rng = np.random.default_rng(seed)
    op, shape, problem = problem_of(case)
    src, weights = (rng.standard_normal(s).astype(np.float32) for s in (case.src, shape))
    plain = op.reference(src.astype(np.float64), weights.astype(np.float64))
    operands = [rng.standard_normal(case.oc), rng.standard_normal(plain.shape), np.array([0.5])]
    behind = (np.maximum(plain + operands[0], 0) + operands[1]) * 0.5
    computed = 0
    for algorithm in ALGORITHMS:
        for precision, refusal in of_the_case(algorithm, case, on).items():
            if refusal is not None:
                assert refusal.strip(), algorithm.name
                continue
            what, most = f"{algorithm.name}, {precision}, seed {seed}", bound(case, precision, np.abs(plain).max())
            setting = Setting(target(on), 3, precision)
            plan = algorithm.plan(problem, setting, NO_EPILOGUE, problem.oc)
            found = convolved(plan, on, src, weights, plain.shape, (), 3, False)
            np.testing.assert_allclose(found, plain, rtol=0, atol=most, err_msg=what)
            one = algorithm.plan(problem, Setting(target(on), 1, precision), NO_EPILOGUE, problem.oc)
            assert (convolved(one, on, src, weights, plain.shape) == found).all(), f"threads change bits: {what}"
            if plan.apart is not None:
                direct = convolved(one, on, src, weights, plain.shape, apart=True)
                np.testing.assert_allclose(direct, plain, rtol=0, atol=3 * most, err_msg=f"set apart: {what}")
            with_epilogue = algorithm.plan(problem, setting, BIAS_RELU_ADD, problem.oc)
            found = convolved(with_epilogue, on, src, weights, plain.shape, operands, 3, True)
            np.testing.assert_allclose(found, behind, rtol=0, atol=most + 1e-6, err_msg=f"with an epilogue: {what}")
            computed += 1
    assert computed


@pytest.mark.parametrize("on", available_targets())
def test_the_table_tries_every_algorithm_in_every_rank_that_it_knows(on: str) -> None:
    """What would be left untried by the cases above."""
    tried: dict[str, set[int]] = defaultdict(set)
    for algorithm in ALGORITHMS:
        for case in CASES:
            if None in of_the_case(algorithm, case, on).values():
                tried[algorithm.name].add(len(case.kernel))
    untried = {a.name for a in ALGORITHMS} - set(tried)
    assert untried <= ({"matrix"} if not target(on).matrix else set())
    assert tried["direct"] == {1, 2, 3} and len(tried["winograd F(4,3)"]) == 3
