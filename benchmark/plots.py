"""The plots of a run: throughput against connections, latency against the offered rate, memory against workers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmark.catalogue import CATALOGUE, OURS
from benchmark.table import median_of, names

Document = dict[str, Any]
Point = tuple[float, float]

# Okabe and Ito's colours, then three of Tol's, one for each server of the catalogue: the colour-blind can tell them
# apart, and each line has a mark of its own besides.
OKABE_ITO = ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00", "#999999", "#CC79A7", "#000000")
COLOURS = (*OKABE_ITO, "#882255", "#999933", "#332288")
MARKS = ("o", "s", "^", "D", "v", "x", "P", "*", "<", ">", "h")
ORDER = {server.name: number for number, server in enumerate(CATALOGUE)}


def draw_all(document: Document, folder: Path) -> list[Path]:
    """Draw what the document has results for; return the files."""
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "benchmark"})
    paths = [throughput(document, model, folder) for model in document["limits"] if of(document["closed"], model)]
    if document["offered"]:
        paths.append(latency(document, folder))
    if document["memory"]:
        paths.append(memory(document, folder))
    return paths


def throughput(document: Document, model: str, folder: Path) -> Path:
    """Draw right answers per second against connections, for one model."""
    rows = of(document["closed"], model)
    figure, axes = paper(f"{model}: right answers per second", "connections", "answers per second")
    counts = sorted({row["concurrency"] for row in rows})
    lines = {
        server: [(count, median_of(rows, "rate", server=server, concurrency=count)) for count in counts]
        for server in names(rows)
    }
    draw_lines(axes, lines)
    ticks(axes, counts)
    return save(figure, folder / f"throughput-{model}.png")


def latency(document: Document, folder: Path) -> Path:
    """Draw p99 against the offered rate; a line ends with the first rate that its server did not hold."""
    rows = document["offered"]
    title = f"{rows[0]['model']}: p99 at fixed rates, from the intended moment on"
    figure, axes = paper(title, "requests offered per second", "p99, ms")
    lines: dict[str, list[Point]] = {
        server: [(row["rate"], row["p99_ms"]) for row in rows if row["server"] == server and row["p99_ms"] is not None]
        for server in names(rows)
    }
    draw_lines(axes, lines)
    ticks(axes, sorted({row["rate"] for row in rows}))
    return save(figure, folder / "latency.png")


def memory(document: Document, folder: Path) -> Path:
    """Draw the memory against the number of workers."""
    rows = document["memory"]
    title = f"{rows[0]['model']}: memory, shared pages counted once"
    figure, axes = paper(title, "workers", "MB (PSS)", logarithmic=False)
    counts = sorted({row["workers"] for row in rows})
    lines = {
        server: [(count, median_of(rows, "pss_mb", server=server, workers=count)) for count in counts]
        for server in names(rows)
    }
    draw_lines(axes, lines)
    axes.set_ylim(bottom=0)
    axes.set_xticks(counts)
    return save(figure, folder / "memory.png")


def of(rows: Iterable[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """Return the rows of one model."""
    return [row for row in rows if row["model"] == model]


def paper(title: str, across: str, up: str, logarithmic: bool = True) -> tuple[Figure, Axes]:
    """Return an empty plot with its words."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_lines(axes: Axes, lines: dict[str, list[Point]]) -> None:
    """Draw a line for each server, and beside the plot a legend in the order in which the lines end."""
    for server, points in lines.items():
        number = ORDER.get(server, len(ORDER))
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        ours = server.startswith(OURS)
        style: dict[str, Any] = {"color": colour, "marker": mark, "markersize": 5, "linewidth": 2.4 if ours else 1.3}
        axes.plot(*zip(*points, strict=True), label=server, linestyle="-" if ours else "--", **style)
    handles, labels = axes.get_legend_handles_labels()
    ends = {server: points[-1][1] for server, points in lines.items()}
    order = sorted(range(len(labels)), key=lambda index: -ends[labels[index]])
    chosen = [handles[index] for index in order], [labels[index] for index in order]
    axes.legend(*chosen, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=3)


def ticks(axes: Axes, values: list[float]) -> None:
    """Name the values that were measured, and no others."""
    axes.set_xticks(values, labels=[f"{value:,g}" for value in values])
    axes.xaxis.set_minor_locator(NullLocator())


def save(figure: Figure, path: Path) -> Path:
    """Write the file, the same bytes for the same results."""
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
