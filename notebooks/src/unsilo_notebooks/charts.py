"""How charts look: few lines, labels at the ends, a title that says what is seen."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

SHARED = "#2f5fd0"
"""The shared model, the federation, what is paid fairly."""
ALONE = "#b9c2cf"
"""What it is compared with."""
BAD = "#c2571a"
"""Attackers and losses."""


def chart(title: str, *, wide: float = 9.0, high: float = 4.2) -> Axes:
    """An empty chart with a title on the left."""
    _, axes = plt.subplots(figsize=(wide, high), layout="constrained")
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e9ee")
    axes.set_axisbelow(True)
    return axes


def percent(axes: Axes, *, axis: str = "y") -> None:
    """Shares of 1 as percent on an axis."""
    (axes.yaxis if axis == "y" else axes.xaxis).set_major_formatter(PercentFormatter(1.0, decimals=0))


def dumbbells(axes: Axes, names: Sequence[str], before: Sequence[float], after: Sequence[float]) -> None:
    """From one value to another, a line for each name."""
    places = range(len(names))
    axes.hlines(places, before, after, color=ALONE, linewidth=4)
    axes.scatter(before, places, color=ALONE, s=90, zorder=3, label="alone")
    axes.scatter(after, places, color=SHARED, s=110, zorder=3, label="shared")
    for place, low, high in zip(places, before, after, strict=True):
        axes.annotate(f"{100 * (high - low):+.0f} points", (high, place), xytext=(10, -4), textcoords="offset points")
    axes.set_yticks(list(places), list(names))
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#e6e9ee")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, -0.3), ncols=2)


def grouped(axes: Axes, table: pd.DataFrame, colours: Sequence[str]) -> None:
    """Bars of each column beside each other, a group for each row."""
    table.plot.bar(ax=axes, color=list(colours), width=0.78, rot=0)
    axes.set_xlabel("")
    axes.legend(frameon=False, title=None)
