"""The user's `code/inference.py`: found, imported, and each of its hooks checked before the first request."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from serving.encoders import ENCODERS
from serving.errors import StartError
from serving.handlers import ANSWERS, METHODS, handler_hooks

# The parameters are those of AWS's toolkits; each hook may take a `context` after them.
PARAMETERS = {
    "model_fn": ("model_dir",),
    "input_fn": ("input_data", "content_type"),
    "predict_fn": ("input_object", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "input_data", "content_type", "accept"),
    "execution_parameters_fn": (),
}
MODULE_NAME = "inference"
IMPORTED_LATER = {"joblib", "scipy", "sklearn", "xgboost"}  # by the default loaders, after the user's code
TRACEBACK_HINT = "Mend it; running the file with python shows the whole traceback."

Hook = Callable[..., Any]


@dataclass(frozen=True)
class Hooks:
    """
    The functions that `inference.py` defines; each is called with a trailing context, wanted or not.

    Attributes:
        looks_at_requests: the names of those that do want it.
        answers: the media types that can be answered without an `output_fn`; all that there are, unless it says so.
        called: what the user calls a hook, where that is another name.
    """

    model_fn: Hook | None = None
    input_fn: Hook | None = None
    predict_fn: Hook | None = None
    output_fn: Hook | None = None
    transform_fn: Hook | None = None
    execution_parameters_fn: Hook | None = None
    looks_at_requests: frozenset[str] = frozenset()
    answers: tuple[str, ...] = tuple(ENCODERS)
    called: Mapping[str, str] = field(default_factory=dict)


def load_hooks(code_dir: Path, program: str) -> Hooks:
    """
    Import `code_dir/program` and return its hooks, or those of its handler class; none when there is no such file.

    Raises:
        StartError: for a name collision, a syntax error, an exception on import, or a hook that cannot be called.
    """
    path = code_dir / program
    if not path.is_file():
        refuse_code_without_program(path)
        return Hooks()
    refuse_collisions(code_dir)
    module = import_program(path)
    functions = {name: getattr(module, name) for name in PARAMETERS if hasattr(module, name)}
    handler = handler_hooks(module, functions, path)
    defined = functions | handler
    hooks: dict[str, Any] = {name: checked_hook(name, hook, path) for name, hook in defined.items()}
    refuse_two_ways(hooks, path)
    wanted = frozenset(name for name, hook in hooks.items() if hook is defined[name])
    found = Hooks(**hooks, looks_at_requests=wanted)
    return replace(found, answers=ANSWERS, called=METHODS) if handler else found


def refuse_code_without_program(path: Path) -> None:
    """Refuse Python files that nothing would ever import: the program has another name, or lies elsewhere."""
    others = sorted(other.name for other in path.parent.glob("*.py"))
    if others:
        raise StartError(
            f"Looked for {path}, found {', '.join(others)} beside it. Rename the file with the hooks to "
            f"{path.name}, or name it with SAGEMAKER_PROGRAM."
        )


def refuse_collisions(code_dir: Path) -> None:
    """Refuse modules in `code/` that would hide, or be hidden by, a module that is already in use."""
    for path in sorted(code_dir.iterdir()):
        module = path.suffix == ".py" or (path / "__init__.py").is_file()
        taken = path.stem in sys.stdlib_module_names | IMPORTED_LATER or is_loaded_from_elsewhere(path)
        if module and taken:
            raise StartError(
                f"{path} has the name of a module that the server itself uses ({path.stem}): one would hide "
                "the other. Rename the file, and what imports it."
            )


def is_loaded_from_elsewhere(path: Path) -> bool:
    """Tell whether a module of the path's name is already imported from another place."""
    loaded = sys.modules.get(path.stem)
    if loaded is None:
        return False
    folder = Path(getattr(loaded, "__file__", None) or "/").resolve().parent
    return folder not in (path.parent.resolve(), path.resolve())


def import_program(path: Path) -> ModuleType:
    """Import the file as the module `inference`, with its folder first on the search path."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.dont_write_bytecode = True  # the model folder is the platform's, and read-only
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise StartError(f"{path} is not a Python file. Name one with SAGEMAKER_PROGRAM.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}"
        raise StartError(f"{place}: syntax error: {error.msg}. {TRACEBACK_HINT}") from error
    except ImportError as error:
        raise StartError(import_failure(path, error)) from error
    except (Exception, SystemExit) as error:
        raise StartError(f"{where(error, path)} raised on import: {described(error)}. {TRACEBACK_HINT}") from error
    return module


def import_failure(path: Path, error: ImportError) -> str:
    """Return the message for an import that failed inside the user's code."""
    return (
        f"{where(error, path)} cannot import {error.name or 'a name'}: {error}. If it is a package, list it in "
        f"{path.parent / 'requirements.txt'} and build the image with the model (nothing is installed at start)."
    )


def where(error: BaseException, path: Path) -> str:
    """Return the last place in the user's own code that the exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(path.parent))]
    return f"{own[-1].filename}, line {own[-1].lineno}:" if own else f"{path}"


def described(error: BaseException) -> str:
    """Return the exception's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def checked_hook(name: str, hook: Hook, path: Path) -> Hook:
    """Return the hook so that it can be called with a trailing context; raise `StartError` if it cannot be."""
    expected = f"{name}({', '.join(PARAMETERS[name])}), with or without a last parameter for the context"
    if not callable(hook):
        raise StartError(f"{path}: {name} is of type {type(hook).__name__}, not a function. Expected {expected}.")
    count = len(PARAMETERS[name])
    if accepts(hook, count + 1) and takes_context(hook, count):
        return hook
    if accepts(hook, count):
        return lambda *arguments: hook(*arguments[:-1])
    raise StartError(f"{path}: {name}{inspect.signature(hook)} has the wrong parameters. Expected {expected}.")


def takes_context(hook: Hook, count: int) -> bool:
    """Tell whether the parameter after the first *count* is for the context, and no option of the user's own."""
    try:
        extra = list(inspect.signature(hook).parameters.values())[count : count + 1]
    except ValueError:  # a built-in without a signature
        return True
    return not extra or extra[0].default is inspect.Parameter.empty or extra[0].name == "context"


def accepts(hook: Hook, count: int) -> bool:
    """Tell whether *hook* can be called with *count* positional arguments."""
    try:
        inspect.signature(hook).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature: find out at the first sample
        return count in (len(parameters) for parameters in PARAMETERS.values())
    return True


def refuse_two_ways(hooks: dict[str, Hook], path: Path) -> None:
    """Refuse `transform_fn` beside the hooks that it replaces, as AWS's toolkits do."""
    rivals = [name for name in ("input_fn", "predict_fn", "output_fn") if name in hooks]
    if "transform_fn" in hooks and rivals:
        raise StartError(
            f"{path} defines transform_fn and {', '.join(rivals)}. Keep transform_fn, or the others: it replaces them."
        )
