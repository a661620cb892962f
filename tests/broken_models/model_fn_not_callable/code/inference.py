"""A file's name in place of a function."""

model_fn = "model.joblib"
