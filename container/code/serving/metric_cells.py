"""What is counted: which cell of a slot is which number. The slots are in `metric_table`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from serving.deaths import CAUSES
from serving.errors import RequestError

PATHS = ("/invocations", "/execution-parameters", "/metrics", "other")
STATUSES = range(100, 600)
OTHER = "other"
# What an error answer can be: ours, nginx's own and Werkzeug's, and one for each hook that refuses. Of `errors` alone:
# in all processes the same, whatever else they have imported.
OF_ERRORS = [kind for kind in RequestError.__subclasses__() if kind.__module__ == RequestError.__module__]
CODES = (
    *sorted({RequestError.code, *(kind.code for kind in OF_ERRORS)}),
    "headers_too_large", "method_not_allowed", "not_found", "not_implemented", "request_timeout", "unavailable",
    "input_fn_refused", "predict_fn_refused", "output_fn_refused", "transform_fn_refused",
    OTHER,
)  # fmt: skip
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = tuple(float(2**power) for power in range(11))


class Histogram(NamedTuple):
    """Where a histogram is: a cell for each of its bounds, one for what is above them, and one for the sum."""

    bounds: tuple[float, ...]
    first: int

    @property
    def sum(self) -> int:
        """The cell of the sum."""
        return self.first + len(self.bounds) + 1


class Layout:
    """Gives out the cells of a slot, one after the other."""

    def __init__(self) -> None:
        self.width = 0

    def cells(self, number: int = 1) -> int:
        """Return the first of *number* cells."""
        self.width += number
        return self.width - number

    def histogram(self, bounds: tuple[float, ...]) -> Histogram:
        """Return a new histogram."""
        return Histogram(bounds, self.cells(len(bounds) + 2))


LAYOUT = Layout()
REQUESTS = LAYOUT.cells(len(PATHS) * len(STATUSES))
REFUSED = LAYOUT.cells(len(CODES))
REQUEST_SECONDS = LAYOUT.histogram(SECONDS)
QUEUE_SECONDS = LAYOUT.histogram(SECONDS)
MODEL_SECONDS = LAYOUT.histogram(SECONDS)
BATCH_REQUESTS = LAYOUT.histogram(SIZES)
REQUEST_BYTES, RESPONSE_BYTES, STREAMS_BROKEN, LINES_DROPPED = (LAYOUT.cells() for _ in range(4))
WORKER_STARTS = LAYOUT.cells()
LOAD_SECONDS = LAYOUT.cells()  # of the last load; none is 0
DEATHS = LAYOUT.cells(len(CAUSES))
PID, IN_FLIGHT, WAITING = GAUGES = [LAYOUT.cells() for _ in range(3)]  # of the process that has the slot now


def cell_of_request(path: str, status: int) -> int:
    """Return where a request is counted; a status that is none counts as the last there is."""
    place = PATHS.index(path) if path in PATHS else len(PATHS) - 1
    return REQUESTS + place * len(STATUSES) + (status - STATUSES.start if status in STATUSES else len(STATUSES) - 1)


def cell_of_refusal(code: str) -> int:
    """Return where a refusal is counted."""
    return REFUSED + CODES.index(code if code in CODES else OTHER)


def cell_of_death(cause: str) -> int:
    """Return where a worker's death of that cause is counted."""
    return DEATHS + CAUSES.index(cause)


def requests_in(numbers: Sequence[float]) -> Iterator[tuple[str, int, float]]:
    """Yield path, status and number of the requests that there were."""
    for place, path in enumerate(PATHS):
        first = REQUESTS + place * len(STATUSES)
        for status, number in zip(STATUSES, numbers[first : first + len(STATUSES)], strict=True):
            if number:
                yield path, status, number


def cumulated(counts: Iterable[float]) -> Iterator[float]:
    """Yield the sums of the counts so far."""
    total = 0.0
    for count in counts:
        yield (total := total + count)
