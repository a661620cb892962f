"""
Numbers that all processes share: a file of doubles that each of them maps, with a slot for each one that counts.

A slot has one writer, so that nothing is locked: the thread of a worker's hub, the arbiter, or `serve`. A double at a
multiple of its size is written and read in one piece, and what is read of several is at most one request apart. A
worker goes on with the numbers of the dead one whose slot it has: counters never fall.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from serving.errors import StartError
from serving.metric_cells import GAUGES, LAYOUT, Histogram

FILE_NAME = "metrics"
DOUBLE = 8  # bytes
SUPERVISOR, ARBITER, SPARE, FIRST_WORKER = range(4)  # slots; a worker that has none of its own shares the spare one


class Slot:
    """The numbers of one process, which it alone changes."""

    __slots__ = ("_cells",)

    def __init__(self, cells: "memoryview[float]"):
        self._cells = cells

    def become(self, other: "Slot") -> None:
        """Count where *other* does from now on."""
        self._cells = other._cells  # noqa: SLF001 - its own class

    def add(self, cell: int, amount: float = 1.0) -> None:
        """Add to a number."""
        self._cells[cell] += amount

    def set(self, cell: int, value: float) -> None:
        """Set a number."""
        self._cells[cell] = value

    def observe(self, histogram: Histogram, value: float) -> None:
        """Count a value where it belongs."""
        cells = self._cells
        bounds, first = histogram
        cells[first + bisect_left(bounds, value)] += 1.0
        cells[first + len(bounds) + 1] += value

    def forget_gauges(self) -> None:
        """Let go of what was true of a process that is no more."""
        for cell in GAUGES:
            self._cells[cell] = 0.0

    def numbers(self) -> list[float]:
        """Return a copy of all numbers."""
        return [*self._cells]


class Table:
    """The slots of all processes."""

    def __init__(self, memory: mmap.mmap):
        """Look at *memory*, which outlives every slot."""
        doubles = memoryview(memory).cast("d")
        width = LAYOUT.width
        self._slots = [Slot(doubles[start : start + width]) for start in range(0, len(doubles), width)]

    @classmethod
    def create(cls, run_dir: Path, workers: int) -> "Table":
        """Make the file, for `serve` and all that it starts; it has room for *workers*."""
        path = run_dir / FILE_NAME
        try:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
                # Written, not only made long: a page that finds no room on the disk later would kill who counts.
                file.write(bytes((FIRST_WORKER + workers) * LAYOUT.width * DOUBLE))
                file.flush()
                return cls(mmap.mmap(file.fileno(), 0))
        except OSError as error:
            raise StartError(
                f"Cannot write {path}: {error.strerror}. Give the run folder room, or set TMPDIR."
            ) from None

    @classmethod
    def open(cls, run_dir: Path | None) -> "Table":
        """Return the table that `serve` has made; one of this process and its forks alone where there is none."""
        path = run_dir / FILE_NAME if run_dir else None
        if path is None or not path.exists():
            return cls(mmap.mmap(-1, (FIRST_WORKER + 1) * LAYOUT.width * DOUBLE))
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0))

    def slot(self, number: int) -> Slot:
        """Return a slot: `SUPERVISOR`, `ARBITER` or `SPARE`."""
        return self._slots[number]

    def slot_of_worker(self, number: int | None) -> Slot:
        """Return the slot of the worker of that number, the spare one if it has none, or there is none."""
        place = SPARE if number is None else FIRST_WORKER + number
        return self._slots[place if place < len(self._slots) else SPARE]

    def workers(self) -> Iterator[tuple[int, list[float]]]:
        """Yield number and numbers of each worker's slot."""
        for number, slot in enumerate(self._slots[FIRST_WORKER:]):
            yield number, slot.numbers()

    def totals(self) -> list[float]:
        """Return the sum over all slots, cell by cell."""
        return [sum(column) for column in zip(*(slot.numbers() for slot in self._slots), strict=True)]

    def highest(self, cell: int) -> float:
        """Return the highest number that a cell has in any slot."""
        return max(slot.numbers()[cell] for slot in self._slots)
