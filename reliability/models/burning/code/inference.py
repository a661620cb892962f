"""The hook that asks the burning model; it is found under its module's name, in every server that is compared."""

from typing import Any


def predict_fn(rows: Any, model: Any) -> Any:
    """Compute for as long as the rows say."""
    return model.predict(rows)
