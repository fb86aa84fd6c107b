import simplecell  # noqa: F401  (first of all: whatever a test module imports before, Keras runs on simplecell)
