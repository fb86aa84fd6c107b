import pytest


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """The whole tour, once: (folder, what the terminal showed, claims that failed)."""
    from rich.console import Console

    import simplecell  # noqa: F401  (first: Keras then runs on it)
    from simplecell.tour import run

    folder = tmp_path_factory.mktemp("tour")
    console = Console(width=110, color_system="truecolor", force_terminal=True)
    with console.capture() as captured:
        failed = run(folder, epochs=2, console=console)
    return folder, captured.get(), failed
