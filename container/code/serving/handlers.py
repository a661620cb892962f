"""
A class in `code/inference.py` in place of the hooks: `initialize` loads, `inference` answers.

This is the handler of TorchServe, AWS's multi-model-server and HuggingFace's templates. It becomes the hooks that it
stands for, so that nothing else has to know of it.
"""

import inspect
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from serving.errors import ModelFailed, StartError
from serving.inference import Context
from serving.json_values import parse_json
from serving.media_types import ALIASES, JSON, JSON_LINES

NEEDED = ("initialize", "inference")
BESIDE_A_CLASS = ("execution_parameters_fn",)  # which no handler does
WHOLE = "handle"  # takes and returns lists, with a place for each request
BESIDE_HANDLE = ("preprocess", "postprocess")
CONTEXT_NAMES = ("context", "ctx")
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# What a handler's methods are called in messages, by the hooks that they stand for.
METHODS = {"model_fn": "initialize", "predict_fn": "inference"}

ANSWERS = (JSON, JSON_LINES)

Parameters = Mapping[int, str]
INITIALIZE: Parameters = {0: "initialize(self)", 1: "initialize(self, model_dir) or initialize(self, context)"}
INFERENCE: Parameters = {1: "inference(self, inputs)", 2: "inference(self, inputs, context)"}
HANDLE: Parameters = {2: "handle(self, data, context)"}


def handler_hooks(module: ModuleType, hooks: Mapping[str, Any], path: Path) -> dict[str, Callable[..., Any]]:
    """
    Return the hooks that the module's handler class stands for, none if it has no such class.

    Args:
        hooks: those that the module defines as functions.

    Raises:
        StartError: for a handler beside hooks, for several, and for one that cannot be called.
    """
    handler = handler_class(module, bool(hooks), path)
    if handler is None:
        return {}
    if rivals := [name for name in hooks if name not in BESIDE_A_CLASS]:
        raise StartError(
            f"{path} defines the handler class {handler.__name__} and {', '.join(rivals)}. Keep the class, or the "
            "functions. A class that is none of the server's business may begin its name with an underscore."
        )
    return {
        "model_fn": loader_of(handler, path),
        "input_fn": decoded_input,
        "predict_fn": whole_of(handler, path) if has(handler, WHOLE) else inference_of(handler, path),
    }


def handler_class(module: ModuleType, has_hooks: bool, path: Path) -> type | None:
    """Return the one class of the module that has both methods, and that no other such class derives from."""
    own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    named = [one for one in dict.fromkeys(own) if not one.__name__.startswith("_")]
    whole = [one for one in named if all(has(one, method) for method in NEEDED)]
    found = [one for one in whole if not any(one in other.__mro__[1:] for other in whole)]
    if len(found) > 1:
        raise StartError(
            f"{path} defines several handler classes: {', '.join(one.__name__ for one in found)}. Keep one, or begin "
            "the names of the others with an underscore."
        )
    if not found and not has_hooks:
        refuse_half_a_handler(named, path)
    return found[0] if found else None


def refuse_half_a_handler(classes: list[type], path: Path) -> None:
    """Refuse a class with one of the two methods, in a file without any hook: nothing would ever call it."""
    for one in classes:
        for method, other in (NEEDED, NEEDED[::-1]):
            if has(one, method) and not has(one, other):
                raise StartError(
                    f"{path}: the class {one.__name__} has {method}, but no {other}. Define {other} too: a handler "
                    "class has both, initialize(self, model_dir) and inference(self, inputs)."
                )


def has(one: type, method: str) -> bool:
    """Tell whether the class has a method of that name."""
    return isinstance(inspect.getattr_static(one, method, None), FunctionType)


def loader_of(handler: type, path: Path) -> Callable[[str, Context], Any]:
    """Return what makes the handler, and lets it load; it is given the folder or the context, as it names it."""
    names = asked_for(handler, "initialize", INITIALIZE, path)
    for method in BESIDE_HANDLE:
        if has(handler, method) and not has(handler, WHOLE):
            raise StartError(
                f"{path}: the class {handler.__name__} has {method}, but no handle that would call it. Define "
                f"{HANDLE[2]}, or let inference do it."
            )

    def load(model_dir: str, context: Context) -> Any:
        made = handler()
        made.initialize(*[context if name in CONTEXT_NAMES else model_dir for name in names])
        return made

    return load


def decoded_input(body: str | bytes, content_type: str) -> Any:
    """Return the value that a JSON body spells; every other body as `input_fn` is given it."""
    is_json = ALIASES.get(content_type, content_type) == JSON
    return parse_json(body, "The body") if is_json and isinstance(body, str) else body


def inference_of(handler: type, path: Path) -> Callable[..., Any]:
    """Return what asks the handler about one request."""
    if len(asked_for(handler, "inference", INFERENCE, path)) == 1:
        return lambda inputs, made: made.inference(inputs)
    return lambda inputs, made, context: made.inference(inputs, context)


def whole_of(handler: type, path: Path) -> Callable[[Any, Any, Context], Any]:
    """Return what asks the handler's own `handle`, with a list of one request."""
    asked_for(handler, WHOLE, HANDLE, path)

    def handle(inputs: Any, made: Any, context: Context) -> Any:
        answers = made.handle([{"body": inputs}], context)
        if not isinstance(answers, list | tuple) or len(answers) != 1:
            raise ModelFailed("handle returned no list with one answer, for the one request that it was given.")
        return answers[0]

    return handle


def asked_for(handler: type, method: str, wanted: Parameters, path: Path) -> list[str]:
    """Return the names of what the method is given: its first parameter, and those after it that are no options."""
    signature = inspect.signature(getattr(handler, method))
    parameters = list(signature.parameters.values())[1:]
    first = [one for one in parameters[:1] if one.kind in POSITIONAL]
    given = [*first, *takewhile(is_no_option, parameters[1:])]
    unnamed = (one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)
    if len(given) in wanted and all(one.default is not inspect.Parameter.empty for one in unnamed):
        return [one.name for one in given]
    raise StartError(
        f"{path}: {handler.__name__}.{method}{signature} has the wrong parameters. "
        f"Expected {' or '.join(wanted.values())}."
    )


def is_no_option(parameter: inspect.Parameter) -> bool:
    """Tell whether a parameter has to be given, or is for the context."""
    needed = parameter.default is inspect.Parameter.empty or parameter.name in CONTEXT_NAMES
    return needed and parameter.kind in POSITIONAL
