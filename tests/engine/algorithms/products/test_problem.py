"""What product an op stands for."""

from __future__ import annotations

from simplecell.engine.algorithms.products.problem import BatchAxis, Product, joined_axes
from simplecell.ops.base import Spec
from simplecell.ops.linear import MatMul


def test_batch_axes_join_where_both_operands_go_evenly_through_them() -> None:
    assert joined_axes((2, 3), (2, 3), 10, 20) == [BatchAxis(6, 10, 20)]
    assert joined_axes((2, 3), (3,), 10, 20) == [BatchAxis(2, 30, 0), BatchAxis(3, 10, 20)]
    assert joined_axes((2, 3), (1, 1), 10, 20) == [BatchAxis(6, 10, 0)]
    assert joined_axes((2, 1, 2), (1, 2, 1), 10, 20) == [BatchAxis(2, 20, 0), BatchAxis(2, 0, 20), BatchAxis(2, 10, 0)]


def test_a_matrix_times_a_column_is_turned_on_its_side() -> None:
    product = Product.of(MatMul(), Spec((100, 7)), Spec((7, 1)))
    assert product == Product(1, 100, 7, False, True, swapped=True, whole_m=1)


def test_rows_by_parameters_are_a_pointwise_convolution() -> None:
    product = Product.of(MatMul(), Spec((2, 5, 7)), Spec((7, 9)), given=True, whole=Spec((8, 5, 7)))
    assert isinstance(product, Product)
    assert (product.m, product.whole_m) == (10, 40)
    rows, all_rows = product.pointwise(), product.pointwise(product.whole_m)
    assert rows is not None and (rows.dst[2], rows.ic, rows.oc) == (10, 7, 9)
    assert all_rows is not None and all_rows.dst[2] == 40
    for other in (
        Product.of(MatMul(), Spec((5, 7)), Spec((7, 9))),  # b changes from run to run
        Product.of(MatMul(True), Spec((7, 5)), Spec((7, 9)), given=True),
        Product.of(MatMul(False, True), Spec((5, 7)), Spec((9, 7)), given=True),
        Product.of(MatMul(), Spec((2, 5, 7)), Spec((2, 7, 9)), given=True),
    ):
        assert isinstance(other, Product) and other.pointwise() is None


def test_bytes_count_a_repeated_matrix_once() -> None:
    product = Product.of(MatMul(), Spec((4, 2, 3, 5)), Spec((2, 5, 7)))
    assert isinstance(product, Product)
    assert product.nbytes == 4 * (4 * 2 * 3 * 5 + 2 * 5 * 7 + 4 * 2 * 3 * 7)
