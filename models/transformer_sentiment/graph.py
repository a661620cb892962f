"""
BERT as an ONNX graph: numbers of wordpieces in, one vector for each sentence out, and a head on top of it.

The weights are kept as eight-bit integers, each column with a scale of its own. The arithmetic is in floats: an
answer then does not depend on what else is in the batch, as it does where activations are rounded too.
"""

from collections.abc import Mapping
from itertools import count

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu
IR_VERSION = 10
EPSILON = 1e-12
NEVER = -1e9  # added where attention may not look
INPUT, OUTPUT, EMBEDDING = "pieces", "positive", "embedding"

Weights = Mapping[str, np.ndarray]


class Graph:
    """Nodes and weights, under names that nobody has to think of."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._names = map("t{}".format, count())

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node, and return the name of what it gives."""
        return self.add_named(next(self._names), operator, *inputs, **attributes)

    def add_named(self, name: str, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node that gives *name*."""
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def weight(self, values: np.ndarray) -> str:
        """Add a weight as it is."""
        name = next(self._names)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def eight_bits(self, values: np.ndarray) -> str:
        """Add a matrix as integers, each column with a scale; the runtime multiplies them when it loads the model."""
        integers, scales = quantised(values, axis=0)
        floats = self.add("Cast", self.weight(integers), to=TensorProto.FLOAT)
        return self.add("Mul", floats, self.weight(scales))

    def model(self, output: str, shape: list[str | int]) -> onnx.ModelProto:
        """Return all of it, with one output."""
        pieces = helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["sentences", "pieces"])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, "sentiment", [pieces], [result], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def quantised(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return integers from -127 to 127, and the scales along *axis* that make them *values* again, nearly."""
    scales = np.abs(values).max(axis=axis, keepdims=True) / 127
    scales[scales == 0] = 1
    return np.round(values / scales).astype(np.int8), scales.astype(np.float32)


def encoder(weights: Weights, layers: int, heads: int, longest: int) -> Graph:
    """Return the graph from pieces (sentences, pieces), padded with 0, to `embedding` (sentences, width)."""
    graph = Graph()
    real = graph.add("Cast", graph.add("Cast", INPUT, to=TensorProto.BOOL), to=TensorProto.FLOAT)
    mask = graph.add("Mul", graph.add("Sub", graph.weight(np.float32(1)), real), graph.weight(np.float32(NEVER)))
    mask = graph.add("Unsqueeze", mask, graph.weight(np.array([1, 2])))  # (sentences, head, from, to)
    state = embedded(graph, weights, longest)
    for layer in range(layers):
        prefix = f"encoder.layer.{layer}."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        state = transformed(graph, own, state, mask, heads)
    pooled(graph, state, real)
    return graph


def embedded(graph: Graph, weights: Weights, longest: int) -> str:
    """Add what each piece is and where it stands; return the name of (sentences, pieces, width)."""
    integers, scales = quantised(weights["embeddings.word_embeddings.weight"], axis=1)
    rows = graph.add("Cast", graph.add("Gather", graph.weight(integers), INPUT), to=TensorProto.FLOAT)
    words = graph.add("Mul", rows, graph.add("Gather", graph.weight(scales), INPUT))
    first_kind = weights["embeddings.token_type_embeddings.weight"][0]
    places = graph.weight(weights["embeddings.position_embeddings.weight"][:longest] + first_kind)
    length = graph.add("Shape", INPUT, start=1, end=2)
    here = graph.add("Slice", places, graph.weight(np.array([0])), length, graph.weight(np.array([0])))
    return normalised(graph, weights, "embeddings.LayerNorm", graph.add("Add", words, here))


def transformed(graph: Graph, weights: Weights, state: str, mask: str, heads: int) -> str:
    """Add one layer: what each piece takes from the others, then what it makes of that by itself."""
    seen = linear(graph, weights, "attention.output.dense", attended(graph, weights, state, mask, heads))
    state = normalised(graph, weights, "attention.output.LayerNorm", graph.add("Add", seen, state))
    wide = graph.add("Gelu", linear(graph, weights, "intermediate.dense", state))
    made = linear(graph, weights, "output.dense", wide)
    return normalised(graph, weights, "output.LayerNorm", graph.add("Add", made, state))


def attended(graph: Graph, weights: Weights, state: str, mask: str, heads: int) -> str:
    """Add the attention of all heads; return the name of (sentences, pieces, width)."""
    width = weights["attention.self.query.weight"].shape[0]
    split = graph.weight(np.array([0, 0, heads, width // heads]))
    query, key, value = (
        graph.add("Reshape", linear(graph, weights, f"attention.self.{name}", state), split)
        for name in ("query", "key", "value")
    )
    query, value = (graph.add("Transpose", name, perm=[0, 2, 1, 3]) for name in (query, value))
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 2, 3, 1]))
    scaled = graph.add("Mul", scores, graph.weight(np.float32((width // heads) ** -0.5)))
    shares = graph.add("Softmax", graph.add("Add", scaled, mask), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    return graph.add("Reshape", mixed, graph.weight(np.array([0, 0, width])))


def linear(graph: Graph, weights: Weights, name: str, state: str) -> str:
    """Add a matrix and its bias."""
    product = graph.add("MatMul", state, graph.eight_bits(weights[f"{name}.weight"].T))
    return graph.add("Add", product, graph.weight(weights[f"{name}.bias"]))


def normalised(graph: Graph, weights: Weights, name: str, state: str) -> str:
    """Add a layer's normalisation."""
    factors = graph.weight(weights[f"{name}.weight"]), graph.weight(weights[f"{name}.bias"])
    return graph.add("LayerNormalization", state, *factors, epsilon=EPSILON)


def pooled(graph: Graph, state: str, real: str) -> None:
    """Add the mean over the real pieces of each sentence, of length one, as `embedding`."""
    real = graph.add("Unsqueeze", real, graph.weight(np.array([2])))
    along = graph.weight(np.array([1]))
    total = graph.add("ReduceSum", graph.add("Mul", state, real), along, keepdims=0)
    mean = graph.add("Div", total, graph.add("ReduceSum", real, along, keepdims=0))
    graph.add_named(EMBEDDING, "LpNormalization", mean, axis=-1, p=2)


def with_head(graph: Graph, coefficients: np.ndarray, intercept: float) -> onnx.ModelProto:
    """Return the model that gives the probability, `positive` (sentences,), that a sentence is."""
    score = graph.add("MatMul", EMBEDDING, graph.weight(coefficients.astype(np.float32)))
    graph.add_named(OUTPUT, "Sigmoid", graph.add("Add", score, graph.weight(np.float32(intercept))))
    return graph.model(OUTPUT, ["sentences"])
