"""The roofline: each row's arithmetic intensity and speed, under the core's measured peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def roofline(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws rows that carry flops; does nothing if none does."""
    rows = [r for r in rows if r["flops"]]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(9, 5.5))
    for name in dict.fromkeys(n for r in rows for n in r["seconds"]):
        points = [
            (r["flops"] / r["bytes"], r["flops"] / r["seconds"][name] / 1e9) for r in rows if name in r["seconds"]
        ]
        own = name == "simplecell"
        axes.scatter(
            *zip(*points),
            label=name,
            s=46 if own else 18,
            marker="*" if own else "o",
            zorder=3 if own else 2,
            alpha=0.9 if own else 0.6,
        )
    for peak in {round(r["peak"]) for r in rows}:
        axes.axhline(peak, color="grey", linewidth=1)
        axes.annotate(
            f"peak of direct sums, {peak} GFLOP/s", (axes.get_xlim()[0], peak), va="bottom", fontsize=8, color="grey"
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="FLOP per byte (each input, weight and output once)",
        ylabel="GFLOP/s, counted as direct sums",
    )
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
