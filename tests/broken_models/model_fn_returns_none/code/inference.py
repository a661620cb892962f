"""The return was forgotten."""


def model_fn(model_dir):
    """Load the model, and forget to return it."""
    model = {"folder": model_dir}
    model.clear()
