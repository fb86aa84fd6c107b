"""The folder that `simplecell run` puts at the head of PYTHONPATH, for its `sitecustomize`."""
