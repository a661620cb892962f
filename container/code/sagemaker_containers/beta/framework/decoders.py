"""Request bodies as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.media_types import parse_content_type
from serving.schema import InputSchema


def decode(obj: str | bytes, content_type: str) -> NDArray[np.float64]:
    """Return the body *obj* as a float64 array (rows, columns); raise `RequestError` for one that cannot be read."""
    from serving.decoders import decode as rows_of

    body = obj.encode() if isinstance(obj, str) else obj
    matrix: Any = InputSchema("matrix").assemble(rows_of(body, parse_content_type(content_type)))
    return np.asarray(matrix, dtype=np.float64)
