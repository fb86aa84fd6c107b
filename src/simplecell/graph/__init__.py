"""Graphs: symbolic tensors, the nodes that make them, their gradients, and rewrites."""
