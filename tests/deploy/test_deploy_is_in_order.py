"""The order of `deploy/` that a reader relies on: who imports whom, and how long things are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy

HERE = Path(deploy.__file__).parent
FILES = sorted(HERE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 220, 42  # lines, the docstring among them
# Each may import those to its left.
LAYERS = ("stage", "model", "stack", "call")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_knows_nothing_of_those_above_it(layer):
    above = LAYERS[LAYERS.index(layer) + 1 :]
    imported = {name for path in (HERE / layer).rglob("*.py") for name in imports_of(path)}
    assert [name for name in sorted(imported) if name.startswith(tuple(f"deploy.{one}." for one in above))] == []
    assert not imported & {"deploy.verbs", "deploy.gathering", "deploy.aws"}


def test_one_place_makes_boto3s_session():
    """Everything else is given its clients, and can be tested with others; what runs in Lambda has no other place."""
    assert [path.name for path in FILES if "boto3" in set(imports_of(path))] == ["handler.py", "aws.py"]


def test_the_container_has_nothing_of_it():
    """But for asking a model how long it takes to load, and what it answers, each in a process of its own."""
    knows = [path for path in FILES if any(name.startswith("serving") for name in imports_of(path))]
    assert [path.name for path in knows] == ["answering.py", "measure.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_nothing_is_long_and_every_file_says_what_it_is_for(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION]
    assert long == []


def test_the_map_of_the_package_names_what_exists():
    named = re.findall(r"`(\w+)/?`", "\n".join(line for line in deploy.__doc__.splitlines() if line.startswith("- ")))
    assert {"stage", "model", "stack", "call", "verbs", "gathering", "aws"} <= set(named)
    assert all(
        (HERE / name).is_dir() or (HERE / f"{name}.py").is_file() for name in named if name not in {"errors", "facts"}
    )
