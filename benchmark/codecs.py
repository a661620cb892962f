"""
Measure what it costs to read and to write a body, plainly and fast, from one row to many.

The thresholds in `serving/csv_text.py` and `serving/array_text.py` come from here (--crossover). Times are CPU time of
this process in microseconds, the best of several rounds: they hardly depend on what else the machine does.
"""
# ruff: noqa: E402, S311, T201  the path comes before the imports, nothing here is a secret, figures are printed

import argparse
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "container" / "code"), str(ROOT / "tests")]

import numpy as np

from plain_codecs import plain_body, plain_input, plain_rows
from serving import array_text, csv_text
from serving.decoders import decode
from serving.encoders import encode
from serving.media_types import CSV, JSON, JSON_LINES, parse_content_type
from serving.schema import Column, InputSchema

SIZES = (1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000)
MOST_CELLS = 2_000_000
NAMES = ["sex", "length", "diameter", "height", "whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]
ABALONE = InputSchema("table", tuple(Column(name, numeric=name != "sex") for name in NAMES), 8, "rings")


class Case(NamedTuple):
    """One thing to measure, and the two ways to do it."""

    name: str
    plain: Callable[[], Any]
    fast: Callable[[], Any]


class Figure(NamedTuple):
    """What both ways took."""

    name: str
    rows: int
    plain: float
    fast: float


def body_of(rows: list[list[Any]], media_type: str, names: list[str] | None = None) -> bytes:
    """Return the rows as a body; with *names* as records."""
    if media_type == CSV:
        return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
    values = [dict(zip(names, row, strict=True)) for row in rows] if names else rows
    lines = "".join(json.dumps(value) + "\n" for value in values)
    return (lines if media_type == JSON_LINES else json.dumps({"instances": values})).encode()


def table_of(rows: int, chance: random.Random) -> list[list[Any]]:
    """Return rows of abalone: a letter and seven numbers of four digits."""
    return [[chance.choice("MFI"), *(round(chance.random(), 4) for _ in NAMES[1:])] for _ in range(rows)]


def matrix_of(rows: int, width: int, chance: random.Random) -> tuple[InputSchema, list[list[float]]]:
    """Return rows of numbers with all the digits that they can have, and their schema."""
    return InputSchema("matrix", width=width), [[chance.gauss(0, 1) for _ in range(width)] for _ in range(rows)]


def reading(name: str, bodies: list[bytes], media_type: str, schema: InputSchema) -> Case:
    """Return the case of a body on its way to the model, or of several that are answered together."""
    kind = parse_content_type(media_type)
    if len(bodies) == 1:
        plain = lambda: plain_rows(bodies[0], media_type)  # noqa: E731
        fast = lambda: decode(bodies[0], kind)  # noqa: E731
    else:
        plain = lambda: [row for body in bodies for row in plain_rows(body, media_type)]  # noqa: E731
        fast = lambda: [row for body in bodies for row in decode(body, kind)]  # noqa: E731
    return Case(name, lambda: plain_input(plain(), schema), lambda: schema.assemble(fast()))


def cases(rows: int) -> Iterator[Case]:
    """Yield every case of this many rows that is not too large."""
    chance = random.Random(rows)
    table = table_of(rows, chance)
    if 1 < rows <= 1000:
        yield reading("CSV, table of 8, requests of one row", [body_of([row], CSV) for row in table], CSV, ABALONE)
    for name, media_type, names in (
        ("CSV", CSV, None), ("JSON", JSON, None), ("JSON Lines", JSON_LINES, None), ("JSON records", JSON, NAMES),
    ):  # fmt: skip
        yield reading(f"{name}, table of 8", [body_of(table, media_type, names)], media_type, ABALONE)
    for width in (width for width in (10, 200) if rows * width <= MOST_CELLS):
        schema, matrix = matrix_of(rows, width, chance)
        yield reading(f"CSV, matrix of {width}", [body_of(matrix, CSV)], CSV, schema)
        yield reading(f"JSON, matrix of {width}", [body_of(matrix, JSON)], JSON, schema)
    numbers = np.random.default_rng(rows).random((rows, 3))
    for name, media_type in (("CSV", CSV), ("JSON", JSON), ("JSON Lines", JSON_LINES)):
        for shape, array in (("one", numbers[:, 0] * 20), ("three", numbers)):
            arguments = (array, media_type)
            yield Case(f"write {name}, {shape} a row", partial(plain_body, *arguments), partial(encode, *arguments))


def microseconds(task: Callable[[], Any], seconds: float) -> float:
    """Return the CPU time of one call: the best round of as many as fit into *seconds*."""
    began = time.process_time()
    task()
    best = time.process_time() - began
    count = max(1, int(0.01 / max(best, 1e-7)))
    until = time.process_time() + seconds
    while time.process_time() < until:
        began = time.process_time()
        for _ in range(count):
            task()
        best = min(best, (time.process_time() - began) / count)
    return best * 1e6


def print_table(figures: list[Figure]) -> None:
    """Print the figures, sorted by case, as a table in Markdown."""
    print("| case | rows | plain | fast | times as fast |\n| --- | ---: | ---: | ---: | ---: |")
    for name, rows, plain, fast in sorted(figures):
        print(f"| {name} | {rows} | {plain:.1f} | {fast:.1f} | {plain / fast:.1f} |")


def csv_bodies(rows: int) -> Iterator[tuple[str, InputSchema, bytes]]:
    """Yield the CSV bodies whose reading changes its way with their size."""
    chance = random.Random(rows)
    yield "table of 8", ABALONE, body_of(table_of(rows, chance), CSV)
    for width in (10, 200):
        schema, matrix = matrix_of(rows, width, chance)
        yield f"matrix of {width}", schema, body_of(matrix, CSV)


def print_crossovers(seconds: float) -> None:
    """Print what both ways cost around each threshold."""
    print("\n| CSV | rows | few rows' way | many rows' way |\n| --- | ---: | ---: | ---: |")
    for rows in (300, 500, 700, 1000, 1500, 2000, 3000):
        for name, schema, body in csv_bodies(rows):
            print_both(name, rows, reading(name, [body], CSV, schema).fast, (csv_text, "MANY_ROWS"), seconds)
    for rows in (2, 4, 8, 16, 32):
        numbers = np.random.default_rng(rows).random(rows)
        print_both("write one a row", rows, partial(encode, numbers, CSV), (array_text, "FEW_NUMBERS"), seconds)


def print_both(name: str, rows: int, task: Callable[[], Any], constant: tuple[Any, str], seconds: float) -> None:
    """Print what *task* costs below and above *constant*, a threshold in rows."""
    before, figures = getattr(*constant), []
    for threshold in (10**9, 0):
        setattr(*constant, threshold)
        figures.append(microseconds(task, seconds))
    setattr(*constant, before)
    print(f"| {name} | {rows} | {figures[0]:.1f} | {figures[1]:.1f} |")


def print_memory(megabytes: int) -> None:
    """Print by how much the process grows while a large CSV body is read."""
    print(f"\n| CSV body of {megabytes} MB | plain, MB | fast, MB |\n| --- | ---: | ---: |")
    for name, schema, piece in csv_bodies(1000):
        case = reading(name, [piece * (megabytes * 1_000_000 // len(piece))], CSV, schema)
        print(f"| {name} | {growth(case.plain):.0f} | {growth(case.fast):.0f} |", flush=True)


def growth(task: Callable[[], Any]) -> float:
    """Return by how many megabytes a process grows at most; pandas takes memory that Python never sees."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        task()
        os.write(writer, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20)) * 1024 / 1e6


def draw(figures: list[Figure], path: Path) -> None:
    """Draw how many times as fast each case is."""
    from matplotlib import pyplot as plt

    axes = plt.figure(figsize=(9, 6), layout="constrained").subplots()
    for name in sorted({figure.name for figure in figures}):
        line = [(figure.rows, figure.plain / figure.fast) for figure in figures if figure.name == name]
        axes.loglog(*zip(*line, strict=True), marker=".", label=name)
    axes.set(xlabel="rows", ylabel="times as fast as the plain way")
    axes.legend(fontsize="x-small", ncols=2)
    plt.savefig(path)


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="the numbers of rows (default: 1 to 100000)")
    parser.add_argument("--only", default="", metavar="WORD", help="only cases whose name has this word")
    parser.add_argument("--seconds", type=float, default=0.2, help="CPU seconds for each figure (default: 0.2)")
    parser.add_argument("--crossover", action="store_true", help="also measure both ways around each threshold")
    parser.add_argument("--memory", type=int, metavar="MB", help="also measure the growth for CSV bodies of this size")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the figures, with matplotlib")
    chosen = parser.parse_args()
    wanted = [(rows, case) for rows in chosen.rows for case in cases(rows) if chosen.only in case.name]
    figures = [
        Figure(case.name, rows, microseconds(case.plain, chosen.seconds), microseconds(case.fast, chosen.seconds))
        for rows, case in wanted
    ]
    print_table(figures)
    if chosen.crossover:
        print_crossovers(chosen.seconds)
    if chosen.memory:
        print_memory(chosen.memory)
    if chosen.plot:
        try:
            draw(figures, chosen.plot)
        except ImportError:
            print(f"\nmatplotlib is not installed, so {chosen.plot} was not written.", file=sys.stderr)


if __name__ == "__main__":
    main()
