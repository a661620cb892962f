"""
What one hook leaves in a global for a later one, as far as the user's code shows it.

Alone, a request is read, predicted and answered before the next one comes. Of a batch all are read before the first
is answered: what `input_fn` has put into a global for `output_fn` is by then the last request's.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from serving.hooks import Hooks

CHANGING = {
    "add", "append", "appendleft", "clear", "extend", "insert", "pop", "put", "put_nowait", "remove", "set",
    "setdefault", "update",
}  # fmt: skip


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
    return shared_object(hooks)


def shared_object(hooks: Hooks) -> str | None:
    """Return the class of an object, of a class of the user's own, that two hooks work with; None if there is none."""
    held = [set(own_objects_of(hook)) for hook in (hooks.input_fn, hooks.predict_fn, hooks.output_fn) if hook]
    both = set().union(*(one & other for one, other in combinations(held, 2)))
    return min(both, default=None)


def own_objects_of(hook: Any) -> Iterator[str]:
    """Yield the classes, defined beside the hook, of the objects that it is a method of, encloses or names."""
    functions = list(functions_of(hook))
    held = [hook, *(value for function in functions for value in values_in(function))]
    folders = {folder_of(function.__module__) for function in functions}
    for value in held:
        kind = type(getattr(value, "__self__", value))
        if not isinstance(value, type) and folder_of(kind.__module__) in folders - {None, OUR_FOLDER}:
            yield kind.__name__


def values_in(function: FunctionType) -> Iterator[Any]:
    """Yield what the function encloses, and the globals that it names."""
    yield from enclosed_by(function)
    names = names_in(function.__code__)
    yield from (value for name, value in function.__globals__.items() if name in names)


def folder_of(module: str) -> Path | None:
    """Return the folder of the module's file, None if it has none."""
    path = getattr(sys.modules.get(module), "__file__", None)
    return None if path is None else Path(path).parent


OUR_FOLDER = folder_of(__name__)


def functions_of(hook: Any, seen: set[Any] | None = None) -> Iterator[FunctionType]:
    """Yield the hook's function, and those that it encloses or calls by name in its own module."""
    seen = set() if seen is None else seen
    hook = getattr(hook, "__func__", hook)  # of a method
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
