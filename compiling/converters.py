"""What this folder converts itself, registered with skl2onnx in place of skl2onnx's own converters."""

from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter, register_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.svm import LinearSVC

from compiling.graph import Graph
from compiling.tree_nodes import add_answer, add_class, add_probabilities, add_sums
from compiling.trees import ENSEMBLES, ensemble_of

LINEAR_CLASSIFIERS = (LinearSVC, LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier)
PRECISIONS = {DoubleTensorType: np.float64, FloatTensorType: np.float32}
MISSING_TEXT = ""  # ONNX's texts are never missing, and the server reads no empty ones


def register() -> None:
    """Let skl2onnx use the converters below."""
    replace(SimpleImputer, convert_imputer)
    for kind in ENSEMBLES:
        replace(kind, convert_trees)
    for kind in LINEAR_CLASSIFIERS:
        replace(kind, convert_linear_classifier)


def replace(kind: type, convert: Any) -> None:
    """Let skl2onnx use *convert* for the estimator, and go on knowing what shapes it has."""
    name = sklearn_operator_name_map[kind]
    register_converter(name, convert, overwrite=True, options=get_converter(name).get_allowed_options())


def joined_inputs(graph: Graph, operator: Any) -> str:
    """Return the operator's inputs side by side."""
    names = [variable.full_name for variable in operator.inputs]
    return names[0] if len(names) == 1 else graph.add("Concat", *names, axis=1)


def convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """Convert a tree, a forest or boosted trees, in double precision."""
    graph, estimator = Graph(scope, container), operator.raw_operator
    ensemble = ensemble_of(estimator)
    sums = add_sums(graph, joined_inputs(graph, operator), ensemble)
    outputs = [variable.full_name for variable in operator.outputs]
    if not is_classifier(estimator):
        finish(graph, add_answer(graph, estimator, sums), operator.outputs[0])
        return
    place = add_class(graph, estimator, sums, ensemble.outputs)
    graph.add("Gather", graph.constant(labels_of(estimator)), place, to_name=outputs[0])
    finish(graph, add_probabilities(graph, estimator, sums, ensemble.outputs), operator.outputs[1])


def convert_linear_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Convert a classifier that decides by weighted sums; what counts as probabilities here are these sums."""
    graph, estimator = Graph(scope, container), operator.raw_operator
    weights = np.atleast_2d(estimator.coef_).astype(np.float64)  # (sums, columns)
    rows = graph.add("Cast", joined_inputs(graph, operator), to=TensorProto.DOUBLE)
    products = graph.add("MatMul", rows, graph.constant(weights.T))
    sums = graph.add("Add", products, graph.constant(np.ravel(estimator.intercept_).astype(np.float64)))
    place = add_class(graph, estimator, sums, len(weights))
    graph.add("Gather", graph.constant(labels_of(estimator)), place, to_name=operator.outputs[0].full_name)
    finish(graph, sums, operator.outputs[1])


def labels_of(estimator: Any) -> Any:
    """Return the classes as ONNX has them: texts or whole numbers."""
    classes = np.asarray(estimator.classes_)
    return classes.astype(object) if classes.dtype.kind in "OU" else classes.astype(np.int64)


def finish(graph: Graph, result: str, variable: Any) -> None:
    """Give the result the name, and the precision, that skl2onnx has for it."""
    precision = TensorProto.FLOAT if isinstance(variable.type, FloatTensorType) else TensorProto.DOUBLE
    graph.add("Cast", result, to_name=variable.full_name, to=precision)


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Convert an imputer of numbers or of texts, whatever marks what is missing."""
    graph, imputer = Graph(scope, container), operator.raw_operator
    kind = operator.inputs[0].type
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer(add_indicator=True)")
    if pd.isna(imputer.statistics_).any():
        raise NotImplementedError("SimpleImputer with a column of which it saw no value")
    rows = joined_inputs(graph, operator)
    marks_missing = is_missing(imputer.missing_values)
    if isinstance(kind, StringTensorType):
        filling = imputer.statistics_.astype(object)
        marker = MISSING_TEXT if marks_missing else str(imputer.missing_values)
        missing = graph.add("Equal", rows, graph.constant(np.array([marker], dtype=object)))
    elif type(kind) in PRECISIONS:
        filling = imputer.statistics_.astype(PRECISIONS[type(kind)])
        missing = (
            graph.add("IsNaN", rows)
            if marks_missing
            else graph.add("Equal", rows, graph.constant(np.array([imputer.missing_values], dtype=filling.dtype)))
        )
    else:
        raise NotImplementedError(f"SimpleImputer of {type(kind).__name__}")
    graph.add("Where", missing, graph.constant(filling.reshape(1, -1)), rows, to_name=operator.outputs[0].full_name)


def is_missing(value: Any) -> bool:
    """Tell whether a marker is one of Python's words for what is missing, rather than a value."""
    return bool(pd.isna(value))
