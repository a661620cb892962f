"""Two ways to answer: which one is meant?"""


def model_fn(model_dir):
    """Return the model."""
    return "the model"


def predict_fn(data, model):
    """Return the prediction."""
    return data


def transform_fn(model, data, content_type, accept):
    """Return the answer."""
    return data
