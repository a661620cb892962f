"""From a model folder to a model that can answer."""

import logging
import os
from collections.abc import Callable
from typing import Any

from serving.compiled import compiled_model
from serving.errors import StartError
from serving.execution_parameters import read_parameters
from serving.hooks import TRACEBACK_HINT, Hooks, described, load_hooks, where
from serving.inference import Context
from serving.manifest import Manifest, read_manifest, verify_files, version_differences
from serving.media_types import ALIASES, DEFAULT
from serving.model import Model, default_predict
from serving.model_folder import load_without_code, require_folder
from serving.response_headers import ResponseHeaders
from serving.schema import schema_of
from serving.settings import Settings

log = logging.getLogger(__name__)


def load_model(settings: Settings) -> Model:
    """Load the model in the settings' folder; raise `StartError` saying what is wrong with it."""
    try:
        return load_readable_model(settings)
    except PermissionError as error:
        raise StartError(
            f"{error.filename} cannot be read by user {os.geteuid()}: {error.strerror}. "
            f"Make the model folder readable for everybody: chmod -R a+rX {settings.model_dir}"
        ) from error


def load_readable_model(settings: Settings) -> Model:
    """Load the model; raise `PermissionError` for what may not be read, `StartError` for everything else."""
    require_folder(settings.model_dir)
    manifest = read_manifest(settings.model_dir)
    verify_files(manifest, settings.model_dir)
    report_versions(manifest)
    hooks = load_hooks(settings.code_dir, settings.program)
    compiled = compiled_model(manifest, hooks, settings.model_dir)
    loaded = compiled or load_object(hooks, manifest, settings)
    if not hooks.predict_fn and not hooks.transform_fn:
        default_predict(loaded)  # raises now rather than at the first request
    schema = compiled.schema if compiled else schema_of(manifest, loaded)
    if schema.types_are_guessed:
        log.warning("column types are guessed from each request's values; list them in the manifest's input")
    return Model(
        loaded=loaded,
        hooks=hooks,
        schema=schema,
        accept=default_accept(hooks, manifest, settings),
        model_dir=settings.model_dir,
        max_body_bytes=settings.max_body_bytes,
        execution_parameters=own_execution_parameters(hooks, settings),
        batching=manifest.batching,
    )


def default_accept(hooks: Hooks, manifest: Manifest, settings: Settings) -> str:
    """Return the answer's media type when the caller accepts anything: the operator's, the manifest's, or JSON."""
    accept = settings.default_accept or manifest.output.get("accept", DEFAULT)
    name = str(accept).partition(";")[0].strip().lower()
    if hooks.output_fn or hooks.transform_fn or ALIASES.get(name, name) in hooks.answers:
        return name
    raise StartError(
        f"The default answer is {accept!r}, by SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT or the manifest's output.accept, "
        f"but without an output_fn there are only {', '.join(hooks.answers)}. Use one of these, or define output_fn."
    )


def report_versions(manifest: Manifest) -> None:
    """Warn of libraries whose versions differ from those that wrote the model; its samples decide."""
    if differences := version_differences(manifest):
        log.warning("library versions differ from the manifest's", extra={"differences": differences})


def load_object(hooks: Hooks, manifest: Manifest, settings: Settings) -> Any:
    """Return what the user's `model_fn` returns, or the only model file in the folder."""
    path = settings.code_dir / settings.program
    if not hooks.model_fn:
        return load_without_code(settings.model_dir, manifest, path)
    name = hooks.called.get("model_fn", "model_fn")
    loaded = call_at_start(name, hooks.model_fn, str(settings.model_dir), settings=settings)
    if loaded is None:
        raise StartError(f"{path}: model_fn returned None. Return the loaded model.")
    return loaded


def own_execution_parameters(hooks: Hooks, settings: Settings) -> dict[str, Any] | None:
    """Return what the user's `execution_parameters_fn` answers, checked now rather than in a batch transform job."""
    if not hooks.execution_parameters_fn:
        return None
    answer = call_at_start("execution_parameters_fn", hooks.execution_parameters_fn, settings=settings)
    return read_parameters(answer, settings.code_dir / settings.program)


def call_at_start(name: str, hook: Callable[..., Any], *arguments: Any, settings: Settings) -> Any:
    """Call a hook that has no request; what it raises ends the start, with the line in the user's code."""
    headers = ResponseHeaders()
    headers.seal(f"{name} has no request, and so no answer, to set it for.")
    try:
        return hook(*arguments, Context(str(settings.model_dir), response_headers=headers))
    except StartError:
        raise
    except (Exception, SystemExit) as error:
        place = where(error, settings.code_dir / settings.program)
        raise StartError(f"{place} {name} failed: {described(error)}. {TRACEBACK_HINT}") from error
