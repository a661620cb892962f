"""The checks of the contract as they are written, without running them."""

import ast
from collections.abc import Callable

from server import ROOT


def clauses_where(is_meant: Callable[[ast.Call], bool]) -> list[str]:
    """Return the clause of every check whose `@clause(...)` is meant."""
    return [
        decorator.args[0].value
        for path in sorted((ROOT / "tests" / "contract").glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "clause" and is_meant(decorator)
    ]
