"""`python -m benchmarks`: runs, prints a table, writes JSON and a plot.

python -m benchmarks layers --family 3x3 --threads 1
python -m benchmarks networks --network ResNet50 --batch 1 --threads 1 2
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import networks, problems
from benchmarks.measure import alternate, peak_gflops
from benchmarks.peers import NAMES, prepare


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["layers", "networks"])
    parser.add_argument("--family", nargs="*", default=["3x3", "others"], choices=list(problems.FAMILIES))
    parser.add_argument("--match", default="", help="only layers whose name contains this")
    parser.add_argument("--network", nargs="*", default=list(networks.NETWORKS))
    parser.add_argument("--batch", nargs="*", type=int, default=[1])
    parser.add_argument("--threads", nargs="*", type=int, default=[1])
    parser.add_argument("--peers", nargs="*", default=list(NAMES[1:]), choices=NAMES[1:])
    parser.add_argument("--seconds", type=float, default=1.5, help="measuring time per row")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for threads in options.threads:
        peak = peak_gflops(threads)
        print(
            f"\n{platform.processor() or platform.machine()}, {threads} thread(s), float32, simplecell on "
            f"{_machine()['target']}, {peak:.0f} GFLOP/s of vector multiply-adds; medians; × = peer's time / "
            "simplecell's"
        )
        print(f"{'':44}{'ms':>9}{'GFLOP/s':>9}{'of peak':>8}" + "".join(f"{p:>13}" for p in options.peers))
        for name, family, flops, nbytes, model, batch in _work(options):
            row = {
                "name": name,
                "family": family,
                "threads": threads,
                "batch": batch,
                "flops": flops,
                "bytes": nbytes,
                "peak": peak,
            }
            row |= _row(model, batch, threads, options)
            rows.append(row)
            _print(row, options.peers)
        _summary([r for r in rows if r["threads"] == threads], options.peers)
    options.output.mkdir(parents=True, exist_ok=True)
    _write(options.output / f"{options.what}.json", json.dumps({"machine": _machine(), "rows": rows}, indent=1))
    try:
        from benchmarks.plot import roofline
    except ImportError:
        print("matplotlib is not installed: no plot")
    else:
        roofline(rows, options.output / f"{options.what}.png")


def _work(options: argparse.Namespace) -> Any:
    if options.what == "layers":
        for family in options.family:
            for layer in problems.FAMILIES[family]:
                if options.match in layer.name:
                    yield layer.name, family, layer.flops, layer.nbytes, layer_model(layer), 1
    else:
        for name in options.network:
            model = networks.build(name)
            for batch in options.batch:
                yield f"{name} batch {batch}", "network", 0, 0, model, batch


def layer_model(layer: problems.Layer) -> Any:
    """One layer with bias and ReLU as a Keras model with random weights."""
    import keras

    rank = len(layer.spatial)
    common = {"strides": layer.stride, "padding": layer.padding, "activation": "relu", "dilation_rate": layer.dilation}
    if layer.groups == layer.ic > 1:
        kind: Any = {1: keras.layers.DepthwiseConv1D, 2: keras.layers.DepthwiseConv2D}[rank]
        conv = kind(layer.kernel if rank > 1 else layer.kernel[0], **common)
    else:
        kind = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[rank]
        conv = kind(layer.oc, layer.kernel, groups=layer.groups, **common)
    model = keras.Sequential([keras.Input((*layer.spatial, layer.ic)), conv])
    rng = np.random.default_rng(0)
    conv.set_weights(
        [rng.standard_normal(w.shape).astype(np.float32) * (0.1 if w.ndim > 1 else 1.0) for w in conv.get_weights()]
    )
    return model


def _row(model: Any, batch: int, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.frozen import frozen

    x = np.random.default_rng(1).standard_normal((batch, *model.inputs[0].shape[1:])).astype(np.float32)
    graph = frozen(model, batch)
    runs, problems_, expected = {}, {}, None
    for name in ("simplecell", *options.peers):
        try:
            run, result = prepare(name, model, graph, x, threads)
            run()
            y = np.array(result(), np.float32).reshape(graph.outputs[0].shape)
            if expected is None:
                expected = y
            elif not np.allclose(y, expected, atol=2e-3 * max(1e-3, float(np.abs(expected).max()))):
                raise ArithmeticError(f"differs by {np.abs(y - expected).max():.2g} of {np.abs(expected).max():.2g}")
            runs[name] = run
        except Exception as error:  # a peer that is missing or cannot do it leaves its column empty
            if name == "simplecell":
                raise
            problems_[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return {"seconds": alternate(runs, options.seconds), "missing": problems_}


def _print(row: dict[str, Any], peers: list[str]) -> None:
    seconds = row["seconds"]
    own = seconds["simplecell"]
    gflops = (
        f"{row['flops'] / own / 1e9:9.1f}{row['flops'] / own / 1e9 / row['peak']:8.0%}" if row["flops"] else f"{'':17}"
    )
    columns = "".join(
        f"{seconds[p] * 1e3:7.3f}{seconds[p] / own:5.2f}×" if p in seconds else f"{'—':>13}" for p in peers
    )
    print(f"{row['name'][:43]:44}{own * 1e3:9.3f}{gflops}{columns}", flush=True)


def _summary(rows: list[dict[str, Any]], peers: list[str]) -> None:
    for family in dict.fromkeys(r["family"] for r in rows):
        mine = [r for r in rows if r["family"] == family]
        text = []
        for group, members in [*((p, [p]) for p in peers), ("best of all", list(peers))]:
            ratios = [
                min(r["seconds"][p] for p in members if p in r["seconds"]) / r["seconds"]["simplecell"]
                for r in mine
                if any(p in r["seconds"] for p in members)
            ]
            if ratios:
                text.append(
                    f"{group} {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}× (least {min(ratios):.2f}×)"
                )
        print(f"{family}, geometric mean: " + ", ".join(text))
    missing = {f"{p}: {why}" for r in rows for p, why in r["missing"].items()}
    for line in sorted(missing)[:12]:
        print("  missing", line)


def _machine() -> dict[str, Any]:
    from simplecell.engine.host import host

    return {"target": host().name, "cpu": host().cpu, "cores": os.cpu_count(), "python": platform.python_version()}


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


if __name__ == "__main__":
    main()
