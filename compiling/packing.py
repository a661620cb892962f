"""One tensor for all numbers and one for all texts, in place of one for each column: each input costs a call time."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from serving.packed import NUMBERS, TEXTS

KINDS = {NUMBERS: TensorProto.DOUBLE, TEXTS: TensorProto.STRING}


def pack_inputs(graph: GraphProto, columns: Mapping[str, Sequence[str]]) -> None:
    """
    Let the graph take packed inputs.

    Args:
        columns: the present inputs, each one column, by the packed input that they become columns of.
    """
    nodes = list(graph.node)
    for packed, names in columns.items():
        nodes = [*selections(graph, nodes, packed, names), *nodes]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.extend(
        helper.make_tensor_value_info(packed, KINDS[packed], [None, len(names)])
        for packed, names in columns.items()
        if names
    )


def selections(graph: GraphProto, nodes: list[NodeProto], packed: str, names: Sequence[str]) -> list[NodeProto]:
    """Return the nodes that take columns out of *packed*, once *nodes* use their results."""
    added: dict[tuple[int, ...], NodeProto] = {}
    for node in nodes:
        if node.op_type == "Concat" and set(node.input) <= set(names):
            places = tuple(names.index(name) for name in node.input)
            node.op_type = "Identity"
            del node.attribute[:]
            node.input[:] = [selection(graph, added, packed, places, len(names))]
        else:
            for number, name in enumerate(node.input):
                if name in names:
                    node.input[number] = selection(graph, added, packed, (names.index(name),), len(names))
    return list(added.values())


def selection(
    graph: GraphProto, added: dict[tuple[int, ...], NodeProto], packed: str, places: tuple[int, ...], width: int
) -> str:
    """Return the name of these columns of *packed*: its own, if they are all of them in their order."""
    if places == tuple(range(width)):
        return packed
    if places not in added:
        name = f"{packed}_{'_'.join(map(str, places))}"
        graph.initializer.append(numpy_helper.from_array(np.array(places, dtype=np.int64), f"{name}_places"))
        added[places] = helper.make_node("Gather", [packed, f"{name}_places"], [name], axis=1)
    return str(added[places].output[0])
