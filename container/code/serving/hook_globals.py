"""
What one hook leaves in a global for a later one, as far as the user's code shows it.

Alone, a request is read, predicted and answered before the next one comes. Of a batch all are read before the first
is answered: what `input_fn` has put into a global for `output_fn` is by then the last request's.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

from serving.hooks import Hooks

CHANGING = {"add", "append", "clear", "extend", "insert", "pop", "remove", "set", "setdefault", "update"}


def left_in_a_global(hooks: Hooks) -> str | None:
    """Return the name of a global that a hook changes and a later one uses, None if none is seen."""
    earlier = [hook for hook in (hooks.input_fn, hooks.predict_fn) if hook]
    later = [hook for hook in (hooks.predict_fn, hooks.output_fn) if hook]
    for writer in earlier:
        changed = {name for function in functions_of(writer) for name in changed_by(function)}
        for reader in later:
            used = {name for function in functions_of(reader) for name in names_in(function.__code__)}
            if reader is not writer and (both := sorted(changed & used)):
                return both[0]
    return None


def functions_of(hook: Any, seen: set[Any] | None = None) -> Iterator[FunctionType]:
    """Yield the hook's function, and those that it encloses or calls by name in its own module."""
    seen = set() if seen is None else seen
    if not isinstance(hook, FunctionType) or hook in seen:
        return
    seen.add(hook)
    yield hook
    named = [hook.__globals__.get(name) for name in names_in(hook.__code__)]
    for other in (*enclosed_by(hook), *(one for one in named if getattr(one, "__module__", None) == hook.__module__)):
        yield from functions_of(other, seen)


def enclosed_by(function: FunctionType) -> Iterator[Any]:
    """Yield what the function holds of those around it; a cell may still be empty."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            yield cell.cell_contents


def names_in(code: CodeType) -> set[str]:
    """Return the names of globals, and of attributes, in the code and the functions inside it."""
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def changed_by(function: FunctionType) -> set[str]:
    """Return the names of globals that the function sets, or changes the content of."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda's, which is no statement
        return set()
    nodes = list(ast.walk(tree))
    said = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    stored = {root_of(node) for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)}
    called = {root_of(node.func) for node in nodes if isinstance(node, ast.Call) and changes(node.func)}
    own = set(function.__code__.co_varnames) | set(function.__code__.co_cellvars)
    return ((stored | called | said) - own) & set(function.__globals__) | said


def changes(called: ast.expr) -> bool:
    """Tell whether what is called is a method that changes its object."""
    return isinstance(called, ast.Attribute) and called.attr in CHANGING


def root_of(node: ast.AST) -> str:
    """Return the name at the beginning of `name.attribute[index]...`, nothing for something else."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
