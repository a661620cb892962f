"""A module beside inference.py."""

from collections import a_name_that_is_not_there


def load(model_dir):
    """Return the model."""
    return a_name_that_is_not_there(model_dir)
