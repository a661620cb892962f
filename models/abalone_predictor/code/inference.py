"""How the predictor answers: `{"result": [...]}` as JSON, or one number per line as CSV."""

import json

import numpy as np


class NotAcceptable(ValueError):
    """The caller asked for a media type that this model does not write."""

    status_code = 406


def output_fn(prediction: np.ndarray, accept: str) -> tuple[str, str]:
    """Return the predicted rings, an array of shape (rows,), as *accept* asks, and their content type."""
    rings = np.asarray(prediction).tolist()
    media_type = accept.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return json.dumps({"result": rings}), media_type
    if media_type == "text/csv":
        return "".join(f"{value}\n" for value in rings), media_type
    raise NotAcceptable(f"{accept!r} was asked for; this model answers application/json or text/csv")
