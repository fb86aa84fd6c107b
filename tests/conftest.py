import simplecell  # noqa: F401  (first of all: whatever a test module imports before, Keras runs on simplecell)


def pytest_addoption(parser):
    parser.addoption(
        "--renew-golden", action="store_true", help="write the texts of tests/engine/golden anew instead of comparing"
    )
