"""A table of functions in place of one."""


def model_fn(model_dir):
    """Return the model."""
    return "the model"


predict_fn = {"default": model_fn}
