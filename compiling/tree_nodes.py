"""Trees as ONNX trees in double precision: what skl2onnx writes has single precision only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn._loss.link import LogLink

from compiling.graph import ML, Graph, initial_value
from compiling.trees import BOOSTED, HISTOGRAM, Ensemble, Tree

# skl2onnx stops at an older version of the domain than this operator needs; `conversion` mends it afterwards.
TREES_VERSION_TOLD = 3
SUM, LESS_OR_EQUAL = 1, 0  # ONNX's numbers for how leaves are put together and how a node compares


def add_sums(graph: Graph, rows: str, ensemble: Ensemble) -> str:
    """
    Add what computes the sums (rows, outputs), in double precision.

    What scikit-learn starts with is the first tree: the sums are then the same to the last digit.
    """
    if ensemble.single:
        rows = graph.add("Cast", rows, to=TensorProto.FLOAT)
    rows = graph.add("Cast", rows, to=TensorProto.DOUBLE)
    first = [lone_leaf(value, output) for output, value in enumerate(ensemble.start) if value]
    trees = [*first, *(one for tree in ensemble.trees for one in with_one_output(tree))]
    sums = graph.add(
        "TreeEnsemble",
        rows,
        domain=ML,
        op_version=TREES_VERSION_TOLD,
        n_targets=ensemble.outputs,
        aggregate_function=SUM,
        **node_attributes(trees),
        **leaf_attributes(trees),
    )
    if ensemble.divisor != 1.0:
        return graph.add("Div", sums, graph.constant(np.array([ensemble.divisor])))
    return sums


def lone_leaf(value: float, output: int) -> Tree:
    """Return a tree that adds the same to every row."""
    nothing = np.zeros(1, dtype=np.int64)
    return Tree(nothing, np.zeros(1), nothing, nothing, nothing, np.array([True]), np.array([[value]]), output)


def with_one_output(tree: Tree) -> list[Tree]:
    """Return the tree as trees whose leaves have one value each: as many as it has outputs."""
    outputs = range(tree.values.shape[1])
    return [tree._replace(values=tree.values[:, [column]], output=tree.output + column) for column in outputs]


def node_attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """Return the attributes that say of every node that is no leaf how to go on, in all trees one after the other."""
    parts = []
    nodes = leaves = 0
    for tree in map(with_a_node, trees):
        parts.append(branches_of(tree, nodes, leaves))
        nodes += int(np.sum(~tree.is_leaf))
        leaves += int(np.sum(tree.is_leaf))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    splits = joined.pop("nodes_splits")
    return {
        "tree_roots": np.cumsum([0, *(len(part["nodes_splits"]) for part in parts[:-1])]).tolist(),
        "nodes_splits": initial_value(splits),
        "nodes_modes": initial_value(np.full(len(splits), LESS_OR_EQUAL, dtype=np.uint8)),
        **{name: values.tolist() for name, values in joined.items()},
    }


def with_a_node(tree: Tree) -> Tree:
    """Return the tree, or, of one that is a lone leaf, one that comes to this leaf either way."""
    if not tree.is_leaf[0]:
        return tree
    root, leaf = np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64)
    values = np.vstack([tree.values] * 2)
    return Tree(root, np.zeros(2), leaf, leaf, root, np.array([False, True]), values, tree.output)


def branches_of(tree: Tree, nodes: int, leaves: int) -> dict[str, NDArray[Any]]:
    """Return the attributes of one tree, before which there are *nodes* and *leaves* of others."""
    inner = ~tree.is_leaf
    place = np.where(tree.is_leaf, np.cumsum(tree.is_leaf) - 1 + leaves, np.cumsum(inner) - 1 + nodes)
    left, right = tree.left[inner], tree.right[inner]
    return {
        "nodes_featureids": tree.feature[inner],
        "nodes_splits": tree.threshold[inner],
        "nodes_truenodeids": place[left],
        "nodes_falsenodeids": place[right],
        "nodes_trueleafs": tree.is_leaf[left].astype(np.int64),
        "nodes_falseleafs": tree.is_leaf[right].astype(np.int64),
        "nodes_missing_value_tracks_true": tree.missing_left[inner],
    }


def leaf_attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """Return the attributes that say of every leaf what it adds to which sum."""
    outputs = [tree.output for tree in trees for _ in range(int(np.sum(tree.is_leaf)))]
    weights = np.concatenate([tree.values[tree.is_leaf, 0] for tree in trees])
    return {"leaf_targetids": outputs, "leaf_weights": initial_value(weights)}


def add_answer(graph: Graph, estimator: Any, sums: str) -> str:
    """Add what makes a regressor's answer of its sum: for losses of counts, which are summed up as logarithms, exp."""
    loss = getattr(estimator, "_loss", None)
    return graph.add("Exp", sums) if loss is not None and isinstance(loss.link, LogLink) else sums


def add_class(graph: Graph, estimator: Any, sums: str, outputs: int) -> str:
    """Add what finds the place of each row's class, with scikit-learn's own rule for ties."""
    if outputs > 1:
        return graph.add("ArgMax", sums, axis=1, keepdims=0)
    compare = "GreaterOrEqual" if isinstance(estimator, BOOSTED) else "Greater"
    second = graph.add(compare, graph.add("Squeeze", sums, graph.constant(np.array([1]))), graph.constant(np.zeros(1)))
    return graph.add("Cast", second, to=TensorProto.INT64)


def add_probabilities(graph: Graph, estimator: Any, sums: str, outputs: int) -> str:
    """Add what makes probabilities (rows, classes) of the sums; forests sum probabilities already."""
    if not isinstance(estimator, (*BOOSTED, *HISTOGRAM)):
        return sums
    if outputs > 1:
        return graph.add("Softmax", sums, axis=1)
    second = graph.add("Sigmoid", sums)
    return graph.add("Concat", graph.add("Sub", graph.constant(np.ones(1)), second), second, axis=1)
