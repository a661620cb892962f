"""
`python -m compiling FOLDER`: a model folder's scikit-learn model as ONNX, checked against the original.

- `__main__` is the command, and `folder` what it reads and writes.
- `conversion` makes the ONNX model with skl2onnx; `converters`, `trees`, `tree_nodes` and `graph` are what that cannot
  do by itself, and `packing` gives the model two inputs in place of one for each column.
- `comparison` finds out what the original refuses and compares its answers, on the rows of `rows`, which begin with
  the values of `known`; `estimators` looks into a fitted model for them.
"""
