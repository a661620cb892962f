"""Where would it read the model from?"""


def model_fn():
    """Return the model."""
    return "the model"
