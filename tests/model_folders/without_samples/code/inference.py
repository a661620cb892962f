"""A model without samples: nothing proves that it survives a fork."""

import os


def model_fn(model_dir):
    return os.getpid()


def predict_fn(rows, model):
    return [model == os.getpid() for _ in rows]
