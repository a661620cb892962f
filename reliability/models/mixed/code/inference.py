"""Answers as the server itself would, or in parts where the caller asks for lines of text."""

import time
from collections.abc import Iterator
from typing import Any

from serving.encoders import encode

STREAMED = "text/plain"
BETWEEN_PARTS = 0.005  # seconds


def output_fn(prediction: Any, accept: str) -> tuple[Any, str]:
    """Write the prediction; as text, one row a part."""
    return (parts(prediction), STREAMED) if accept == STREAMED else (encode(prediction, accept), accept)


def parts(prediction: Any) -> Iterator[str]:
    """Yield a line for each row, as a model would that has to think in between."""
    for number, value in enumerate(prediction.tolist()):
        if number:
            time.sleep(BETWEEN_PARTS)
        yield f"{value!r}\n"
