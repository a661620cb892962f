"""Logs: one JSON object a line on stderr, from every process; never a request's body or a prediction."""

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from serving.log_stream import STDERR

SILENT = "(its message may quote an input, and is logged at SAGEMAKER_CONTAINER_LOG_LEVEL=10)"
OURS = ("serving", "gunicorn")  # what these log of an exception, nobody chose who knows what it says
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


OUTERMOST, INNERMOST = 20, 40  # frames of a traceback that are told


class JsonFormatter(logging.Formatter):
    """Write a record's time, level, logger and message, then whatever was passed as `extra`."""

    def __init__(self, quotes: bool = False):
        """Leave out what exceptions in a model say, unless *quotes*: only the type and the lines of code are safe."""
        super().__init__()
        self._quotes = quotes

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        fields = {key: value for key, value in vars(record).items() if key not in STANDARD}
        if record.exc_info:
            silent = record.name.partition(".")[0] in OURS and not self._quotes
            error = record.exc_info[1]
            fields["traceback"] = (
                without_messages(error) if silent and error is not None else self.formatException(record.exc_info)
            )
        return json_line(record.created, record.levelname, record.name, record.getMessage(), fields)


def without_messages(error: BaseException) -> str:
    """Return the traceback of *error* and of what led to it: where, and of which types."""
    told = []
    for each in reversed(list(causes_of(error))):
        frames = shortened(traceback.format_tb(each.__traceback__))
        head = ["Traceback (most recent call last):\n"] if frames else []
        told.append("".join((*head, *frames, f"{name_of(type(each))}: {SILENT}")))
    return "\n\nwhich led to:\n\n".join(told)


def shortened(frames: list[str]) -> list[str]:
    """Return the outermost and the innermost of *frames*: a line that fits into no pipe is a line lost."""
    left_out = len(frames) - OUTERMOST - INNERMOST
    if left_out <= 0:
        return frames
    return [*frames[:OUTERMOST], f"  ... {left_out} frames are left out ...\n", *frames[-INNERMOST:]]


def name_of(kind: type[BaseException]) -> str:
    """Return an exception's type as Python's own tracebacks have it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, what it was raised from, and so on."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def json_line(created: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
    """Return a line, without its end; *created* is in seconds since the epoch."""
    second, part = divmod(created, 1)
    time = f"{second_in_words(second)}.{int(part * 1000):03}+00:00"
    line = {"time": time, "level": level, "logger": logger, "message": message, **fields}
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # a key that is no string, half a surrogate pair, a cycle: readable beats lost
        return json.dumps({key: str(value) for key, value in line.items()})


@lru_cache(maxsize=1)
def second_in_words(second: float) -> str:
    """Return a second since the epoch in ISO 8601, in UTC; most lines are of the second that the line before is of."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def configuration(log_level: int) -> dict[str, Any]:
    """Return the logging configuration, as `logging.config.dictConfig` and gunicorn's `logconfig_dict` take it."""
    stderr = {"class": "logging.StreamHandler", "stream": STDERR, "formatter": "json"}
    # The supervisor says what becomes of the workers; gunicorn's own account of it is for those who look for a fault.
    gunicorn_level = log_level if log_level <= logging.DEBUG else max(log_level, logging.WARNING)
    ours = {"level": gunicorn_level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "quotes": log_level <= logging.DEBUG}},
        "handlers": {"stderr": stderr},
        "root": {"level": log_level, "handlers": ["stderr"]},
        # gunicorn has its own idea of these two unless they are named
        "loggers": {"gunicorn.error": ours, "gunicorn.access": {**ours, "level": logging.CRITICAL}},
    }
