"""Whole numbers rounded up."""


def ceil_div(a: int, b: int) -> int:
    """How many pieces of `b` hold `a`."""
    return -(-a // b)


def round_up(value: int, to: int) -> int:
    """The least multiple of `to` that is not less than `value`."""
    return -(-value // to) * to
