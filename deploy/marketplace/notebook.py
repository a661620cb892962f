"""The buyer's notebook: what AWS's curation asks of it, and the faults that such notebooks usually have."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = "buyer.ipynb"
DELETIONS = ("delete_endpoint", "delete_endpoint_config", "delete_model")
CALLS = ("create_model", "invoke_endpoint", "create_transform_job", *DELETIONS)
REGION = re.compile(r"(?:us|eu|ap|sa|ca|me|af|il|mx)(?:-[a-z]+)+-\d")
ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
ESCAPE = re.compile(r"\\[*_`#\[\]]")  # what a Markdown export leaves in code


def faults(path: Path) -> Iterator[str]:
    """Yield a sentence for everything that would trouble a buyer."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        codes = {number: "".join(cell["source"]) for number, cell in enumerate(cells, 1) if cell["cell_type"] == "code"}
    except FileNotFoundError:
        yield f"There is no {path}: a listing has a notebook that shows buyers every step."
        return
    except (ValueError, KeyError, TypeError) as error:
        yield f"{path} is no notebook: {error!r}."
        return
    trees = {}
    for number, code in codes.items():
        try:
            trees[number] = ast.parse(code)
        except SyntaxError as error:
            escaped = " A Markdown escape is left in it." if ESCAPE.search(code) else ""
            yield f"{path.name}, cell {number} is not Python: {error.msg}.{escaped}"
    for number, tree in trees.items():
        yield from _places(path.name, number, tree)
    yield from _whole(path.name, trees)
    yield from _kept(path.name, cells)


def _places(name: str, number: int, tree: ast.Module) -> Iterator[str]:
    """Yield what would work for one person only; to ask whether a Region is this one or that is no harm."""
    compared = {one for node in ast.walk(tree) if isinstance(node, ast.Compare) for one in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if REGION.fullmatch(node.value) and node not in compared:
            yield f"{name}, cell {number} names the Region {node.value}: it has to work in each."
        for found in ACCOUNT.findall(node.value):
            yield f"{name}, cell {number} names the account {found}: buyers have others."


def _whole(name: str, trees: dict[int, ast.Module]) -> Iterator[str]:
    """Yield what the cells together lack, or have too much of."""
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    for module in sorted({root for node in nodes for root in _imported(node)}):
        if module == "sagemaker":
            yield f"{name} imports sagemaker, whose versions 2 and 3 have no import in common: boto3 is enough."
    called = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    mentioned = called | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for call in CALLS:
        if call not in mentioned:
            why = "what it makes costs until it goes" if call in DELETIONS else "buyers need to see it"
            yield f"{name} never calls {call}: {why}."
    if not any(isinstance(node, ast.Try) and node.finalbody for node in nodes):
        yield f"{name} has no `finally`: what it made would stay, and cost, when a cell fails."
    if not any(isinstance(node, ast.Assert) for node in nodes):
        yield f"{name} asserts nothing: it has to compare an answer with the one that is shipped."
    if not any(_isolates(node) for node in nodes):
        yield f"{name} makes no model with EnableNetworkIsolation=True, as Marketplace's have to be."


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module.partition(".")[0]


def _isolates(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.keyword)
        and node.arg == "EnableNetworkIsolation"
        and isinstance(node.value, ast.Constant)
        and node.value.value is True
    )


def _kept(name: str, cells: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the cells that keep what was printed when somebody ran them: an account's number, more often than not."""
    kept = [str(number) for number, cell in enumerate(cells, 1) if cell.get("outputs")]
    if kept:
        yield f"{name} keeps the output of cell {', '.join(kept)}: clear it, it is the seller's own."
