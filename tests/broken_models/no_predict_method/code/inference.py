"""The model is a dictionary, and there is no predict_fn that knows what to do with it."""


def model_fn(model_dir):
    """Return the model."""
    return {"folder": model_dir}
