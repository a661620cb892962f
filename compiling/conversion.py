"""A fitted scikit-learn model as an ONNX model that takes one array of numbers and one of texts."""

import copy
import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer

from compiling.converters import MISSING_TEXT, is_missing, register
from compiling.estimators import parts_of
from compiling.graph import ML
from compiling.packing import pack_inputs
from serving.errors import StartError
from serving.packed import NUMBERS, TEXTS
from serving.schema import InputSchema

LOCALE = "C.UTF-8"  # the one that is on every machine
# Texts can be compared from 19 on; what skl2onnx knows of the second domain ends with 3.
VERSIONS = {"": 21, ML: 3}
TREES_VERSION = 5  # the first one that adds up trees in double precision


def convert(model: Any, schema: InputSchema) -> ModelProto:
    """Return *model* as ONNX; raise `StartError` where it has no ONNX form."""
    register()
    model = with_empty_categories(model)
    packed = takes_one_array(model, schema)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # skl2onnx's own, of versions and of options
            converted: ModelProto = convert_sklearn(
                model,
                initial_types=inputs_of(schema, packed=packed),
                target_opset=VERSIONS,
                options=options_for(model),
            )
    except Exception as error:  # skl2onnx has many ways of not knowing an estimator
        reason = " ".join(str(error).split()) or "no reason is given"
        raise StartError(f"The model has no ONNX form: {type(error).__name__}: {reason:.400}") from error
    del converted.graph.output[1:]  # the first one is what `predict` or `transform` answers
    if not packed:
        pack_inputs(converted.graph, columns_of(schema))
    tell_versions(converted)
    return converted


def options_for(model: Any) -> dict[Any, Any]:
    """Return what skl2onnx should do otherwise than by default."""
    options: dict[Any, Any] = {}
    for part in parts_of(model):
        if isinstance(part, CountVectorizer):
            options[id(part)] = {"locale": LOCALE}
        elif is_classifier(part) and "zipmap" in known_options(type(part)):
            options[id(part)] = {"zipmap": False}
    return options


def known_options(kind: type) -> Collection[str]:
    """Return the options that skl2onnx has for the estimator."""
    name = sklearn_operator_name_map.get(kind)
    return (get_converter(name).get_allowed_options() if name else None) or ()


def takes_one_array(model: Any, schema: InputSchema) -> bool:
    """Tell whether all columns are of one kind, and none is asked for by its name."""
    kinds = {column.numeric for column in schema.columns}
    by_name = any(isinstance(part, ColumnTransformer) for part in parts_of(model))
    return schema.kind != "table" or (len(kinds) == 1 and not by_name)


def inputs_of(schema: InputSchema, *, packed: bool) -> list[tuple[str, Any]]:
    """Return the inputs as skl2onnx wants them: all columns as one, or each by itself under its name."""
    if schema.kind == "text" or (packed and schema.columns and not schema.columns[0].numeric):
        return [(TEXTS, StringTensorType([None, schema.width or 1]))]
    if packed:
        return [(NUMBERS, DoubleTensorType([None, schema.width]))]
    kinds = {True: DoubleTensorType, False: StringTensorType}
    return [(column.name, kinds[bool(column.numeric)]([None, 1])) for column in schema.columns]


def columns_of(schema: InputSchema) -> dict[str, list[str]]:
    """Return the names of a table's columns by the packed input that they go into."""
    names: dict[str, list[str]] = {NUMBERS: [], TEXTS: []}
    for column in schema.columns:
        names[NUMBERS if column.numeric else TEXTS].append(column.name)
    return names


def tell_versions(converted: ModelProto) -> None:
    """State the version of the domain that trees in double precision need, where there are some."""
    if any(node.op_type == "TreeEnsemble" for node in converted.graph.node):
        for domain in converted.opset_import:
            if domain.domain == ML:
                domain.version = TREES_VERSION


def with_empty_categories(model: Any) -> Any:
    """Return the model with the empty text in place of a missing category, as ONNX will see it."""
    model = copy.deepcopy(model)
    for part in parts_of(model):
        if hasattr(part, "categories_"):
            part.categories_ = [without_missing(categories) for categories in part.categories_]
    return model


def without_missing(categories: Any) -> Any:
    """Return the categories of a column, texts without missing ones."""
    if categories.dtype.kind != "O":
        return categories
    return np.array([MISSING_TEXT if is_missing(one) else one for one in categories], dtype=object)
