"""The rewrites of `simplify`, one family per file. A rule looks at one op and its inputs and returns a tensor of the
same value, or None."""
