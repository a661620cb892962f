"""There is no model file that could be loaded without a model_fn."""


def predict_fn(data, model):
    """Return the prediction."""
    return model.predict(data)
