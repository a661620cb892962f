"""The plots: servers under overload, and memory over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.catalogue import OURS
from benchmark.plots import COLOURS, paper, save

NEVER = "none"
Row = dict[str, Any]


def draw_overload(rows: Sequence[Row], path: Path) -> Path:
    """Draw useful answers a second, and how long refusals took, one bar for each server."""
    figure = Figure(figsize=(9, 1.2 + 0.45 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    bars(left, rows, "useful", "useful answers a second, under ten times the load")
    bars(right, rows, "refused_p99", "p99 of a refusal, ms")
    left.axvline(rows[0]["capacity"], color=COLOURS[7], linewidth=1, linestyle=":", label="all that ours can do")
    figure.legend(loc="outside lower left", frameon=False, fontsize=8)
    left.invert_yaxis()  # ours is the first, and on top
    return save(figure, path)


def bars(axes: Axes, rows: Sequence[Row], name: str, title: str) -> None:
    """Draw one panel; a server without such a number has a word in its place."""
    colours = [COLOURS[0] if row["server"] == OURS else COLOURS[5] for row in rows]
    drawn = axes.barh([row["server"] for row in rows], [row[name] or 0 for row in rows], color=colours)
    axes.bar_label(drawn, [NEVER if row[name] is None else f"{row[name]:,.1f}" for row in rows], padding=3)
    axes.set_title(title, loc="left", fontsize=9)
    axes.margins(x=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def draw_memory(samples: Sequence[Row], path: Path) -> Path:
    """Draw the memory of the whole server over time, and of each worker as long as it lived."""
    figure, axes = paper("memory under mixed load", "minutes", "MB (PSS)", logarithmic=False)
    minutes = [sample["seconds"] / 60 for sample in samples]
    axes.plot(minutes, [sample["pss_mb"] for sample in samples], color=COLOURS[0], linewidth=2, label="all processes")
    for number, pid in enumerate(sorted({pid for sample in samples for pid in sample["workers"]})):
        lived = [(sample["seconds"] / 60, sample["workers"][pid]) for sample in samples if pid in sample["workers"]]
        label = None if number else "each worker, as long as it lived"
        axes.plot(*zip(*lived, strict=True), color=COLOURS[5], linewidth=1, label=label)
    axes.set_ylim(bottom=0)
    axes.legend(loc="center right", frameon=False)
    return save(figure, path)
