"""What Python imports as it starts, in every process of `simplecell run`: simplecell takes its place under Keras.

Then it makes way: its folder leaves `sys.path`, and the `sitecustomize` that it hides, if there is one, runs as always.
Other versions of Python, which the script may start, meet this file, too: no functions, no annotations, nothing new.
"""

import importlib.machinery
import importlib.util
import os
import sys

if __name__ == "sitecustomize":
    _here = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != _here]

    if os.environ.get("SIMPLECELL_RUN") == "%s %s" % (sys.implementation.cache_tag, sys.prefix):  # noqa: UP031
        # This very simplecell, though it be found neither on the script's path nor first on it.
        _package = os.path.dirname(os.path.dirname(os.path.abspath(_here)))
        _spec = importlib.util.spec_from_file_location(
            "simplecell", os.path.join(_package, "__init__.py"), submodule_search_locations=[_package]
        )
        assert _spec is not None and _spec.loader is not None
        sys.modules["simplecell"] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["simplecell"])

        from simplecell.cli.children import follow
        from simplecell.keras_backend.install import install

        install(insist=True)
        follow()

    _spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if _spec is not None and _spec.loader is not None:
        sys.modules["sitecustomize"] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["sitecustomize"])
