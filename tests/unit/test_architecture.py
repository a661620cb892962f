"""The rules of the code that a reader relies on, and that no linter knows."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving

CODE = Path(serving.__file__).parent.parent
PROGRAMS = [path for path in sorted(CODE.iterdir()) if path.is_file() and path.suffix == ""]
PYTHON_PROGRAMS = [path for path in PROGRAMS if "python" in path.read_text().partition("\n")[0]]
FILES = [*sorted(CODE.rglob("*.py")), *PYTHON_PROGRAMS]
MODULES = sorted(CODE.glob("serving/*.py"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CODE)))
every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)

Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_MODULE = 200  # lines
LONGEST_FUNCTION = 40  # lines, without its docstring
TYPICAL_FUNCTION = 8
MAY_READ_THE_ENVIRONMENT = {"serve", "train", "gunicorn.conf.py", "wsgi.py"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports_of(path: Path) -> Iterator[str]:
    """Yield every imported module, wherever in the file it is imported."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)


def packages_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def uses_of(names: set[str], module: str, tree: ast.Module) -> Iterator[int]:
    """Return the lines that mention `module.name`, or import the name from the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names and getattr(node.value, "id", "") == module:
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == module and names & {alias.name for alias in node.names}:
            yield node.lineno


def body_lines(function: Function) -> int:
    """Return how many lines the function's body has, its docstring not among them."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def functions_of(path: Path) -> list[tuple[str, int]]:
    return [(node.name, body_lines(node)) for node in ast.walk(tree_of(path)) if isinstance(node, Function)]


def without_main(tree: ast.Module) -> ast.Module:
    """Return the tree less its `if __name__ == "__main__"`, which is a program of its own."""
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))]
    return tree


def test_the_code_is_where_this_test_looks_for_it() -> None:
    assert {"serve", "wsgi.py", "gunicorn.conf.py", "predictor.py"} <= {path.name for path in FILES}
    assert len(MODULES) > 20


@every_module
def test_serving_never_imports_the_web_framework(path: Path) -> None:
    assert not {"flask", "predictor"} & packages_of(path)


def loaded_by(*modules: str) -> set[str]:
    """Return what a fresh Python has loaded once it has imported *modules*."""
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_serving_does_not_even_load_the_web_framework() -> None:
    names = [f"serving.{path.stem}" for path in MODULES if path.stem != "__init__"]
    assert not {"flask", "predictor", "wsgi"} & loaded_by(*names)


def test_the_process_that_supervises_loads_no_library_of_the_workers() -> None:
    """PID 1 stays small, and starts no thread that would make its forks unsafe."""
    assert not {"numpy", "pandas", "gevent", "gunicorn", "flask", "prometheus_client"} & loaded_by("serving.launch")


@every_file
def test_nothing_imports_the_composition_root(path: Path) -> None:
    assert "wsgi" not in packages_of(path)


def test_only_the_arbiter_the_worker_and_gunicorns_configuration_know_gunicorn() -> None:
    knowing = {path.name for path in FILES if "gunicorn" in packages_of(path)}
    assert knowing == {"arbiter.py", "worker.py", "gunicorn.conf.py"}


@every_file
def test_the_environment_is_read_in_the_programs_alone_and_passed_on_from_there(path: Path) -> None:
    tree = tree_of(path)
    if path.name == "launch.py":
        tree = without_main(tree)
    lines = list(uses_of(ENVIRONMENT, "os", tree))
    assert path.name in MAY_READ_THE_ENVIRONMENT or lines == []


@every_file
def test_nothing_sleeps(path: Path) -> None:
    """Readiness is an event, never a sleep. gevent's own gives way to others and is another thing."""
    assert list(uses_of({"sleep"}, "time", tree_of(path))) == []


@every_file
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@every_file
def test_no_function_is_long(path: Path) -> None:
    assert [(name, lines) for name, lines in functions_of(path) if lines > LONGEST_FUNCTION] == []


def test_the_typical_function_is_short() -> None:
    lengths = [lines for path in FILES for _, lines in functions_of(path)]
    assert statistics.median(lengths) <= TYPICAL_FUNCTION


@every_file
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


def test_the_map_of_the_package_names_modules_that_exist() -> None:
    named = re.findall(r"`(\w+)`", "\n".join(line for line in serving.__doc__.splitlines() if line.startswith("- ")))
    assert named
    assert set(named) <= {path.stem for path in MODULES}


def test_the_programs_can_be_run() -> None:
    for path in PROGRAMS:
        if path.read_text().startswith("#!"):
            assert path.stat().st_mode & 0o111 == 0o111, f"{path.name} is not executable"
