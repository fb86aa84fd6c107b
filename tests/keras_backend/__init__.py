import simplecell  # noqa: F401  before any file here imports Keras
