"""Numbers as pixels and SVG, by NumPy and Pillow alone. What draws figures (`plotting`) and what shows values
(`inspection`) stands on it; `simplecell.plotting` has its public names."""
