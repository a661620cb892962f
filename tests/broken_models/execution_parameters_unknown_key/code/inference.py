def model_fn(model_dir):
    return 1


def predict_fn(data, model):
    return data


def execution_parameters_fn():
    return {"MaxPayload": 6}
