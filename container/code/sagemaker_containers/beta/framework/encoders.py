"""Predictions as bodies."""

from typing import Any

import numpy as np

from serving.encoders import ENCODERS
from serving.encoders import encode as body_of
from serving.errors import NotAcceptable
from serving.media_types import NPY


def encode(array_like: Any, content_type: str) -> str | bytes:
    """Return the predictions as a body of *content_type*: text, or bytes for npy."""
    if content_type not in ENCODERS:
        raise NotAcceptable(f"Cannot answer in {content_type!r:.100}; there are {', '.join(ENCODERS)}.")
    body = body_of(array_like if hasattr(array_like, "toarray") else np.asarray(array_like), content_type)
    return body if content_type == NPY else body.decode()
