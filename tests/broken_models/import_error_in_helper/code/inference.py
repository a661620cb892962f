"""The import that fails is the helper's."""

import helper


def model_fn(model_dir):
    """Return the model."""
    return helper.load(model_dir)
