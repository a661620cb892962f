"""A little of ONNX's grammar: nodes that name their own results, and constants."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

ML = "ai.onnx.ml"  # the domain of the operators that are not arithmetic


class Graph:
    """Adds nodes to what skl2onnx is writing."""

    def __init__(self, scope: Any, container: Any) -> None:
        """Take skl2onnx's *scope*, which knows the names, and its *container* of nodes."""
        self._scope = scope
        self._container = container

    def add(self, kind: str, *inputs: str, domain: str = "", to_name: str = "", **attributes: Any) -> str:
        """Add a node of one result and return the result's name, *to_name* or a new one."""
        name = to_name or str(self._scope.get_unique_variable_name(f"compiled_{kind.lower()}"))
        unique = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), name, op_domain=domain, name=unique, **attributes)
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = str(self._scope.get_unique_variable_name("compiled_constant"))
        if value.dtype.kind == "O":
            self._container.add_initializer(name, TensorProto.STRING, value.shape, value.ravel().tolist())
        else:
            self._container.add_initializer(name, None, None, initial_value(value, name))
        return name


def initial_value(value: NDArray[Any], name: str = "value") -> TensorProto:
    """Return an array of numbers as ONNX writes it."""
    return numpy_helper.from_array(np.ascontiguousarray(value), name)
