"""A model folder: the original in it, and the same folder with the compiled model beside the original."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from serving.compiled import HOOKS_IN_ITS_PLACE, MODEL_FILE
from serving.errors import StartError
from serving.hooks import load_hooks
from serving.loading import load_model
from serving.manifest import DEFAULT_LIBRARIES, FILE_NAME, file_hash, read_manifest, verify_files, write_manifest
from serving.model import default_predict
from serving.model_folder import load_without_code, only_candidate, require_folder
from serving.samples import find_samples, replay
from serving.schema import InputSchema, schema_of
from serving.settings import Settings

TOOLS = ("skl2onnx", "onnx", "onnxruntime", "scikit-learn")


class Original(NamedTuple):
    """The model that is to be compiled."""

    path: Path
    model: Any
    schema: InputSchema

    def predict(self, rows: list[Any]) -> Any:
        """Return what the server would be given for *rows*."""
        return default_predict(self.model)(self.schema.assemble(rows))


def read_original(model_dir: Path) -> Original:
    """Load the folder's scikit-learn model; raise `StartError` for any other."""
    settings = Settings.from_environment({"SM_MODEL_DIR": str(model_dir)})
    require_folder(model_dir)
    hooks = load_hooks(settings.code_dir, settings.program)
    if own := [name for name in HOOKS_IN_ITS_PLACE if getattr(hooks, name)]:
        raise StartError(
            f"{settings.code_dir / settings.program} defines {', '.join(own)}: a compiled model cannot "
            "stand for these hooks, and only a model that is served without them can be compiled."
        )
    manifest = read_manifest(model_dir)
    verify_files(manifest, model_dir)
    program = settings.code_dir / settings.program
    path = only_candidate(model_dir, program)
    model = load_without_code(model_dir, manifest, program)
    if not isinstance(model, BaseEstimator) or not type(model).__module__.startswith("sklearn."):
        raise StartError(
            f"{path} holds {type(model).__module__}.{type(model).__name__}, and only scikit-learn's own models can be "
            "compiled. It is served as it is."
        )
    schema = schema_of(manifest, model)
    refuse_unclear(schema)
    return Original(path, model, schema)


def refuse_unclear(schema: InputSchema) -> None:
    """Raise `StartError` for an input whose columns nobody knows beforehand."""
    if schema.types_are_guessed:
        raise StartError(
            f"The columns' types are guessed from each request's values: list them in the input of {FILE_NAME}, "
            "for a compiled model has to know them."
        )
    if schema.kind == "matrix" and schema.width is None:
        raise StartError(f"Nobody says how many columns the model takes: list them in the input of {FILE_NAME}.")


def entry_for(original: Original, content: bytes, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest's entry for the compiled model."""
    return {
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "from": {original.path.name: file_hash(original.path)},
        **found,
        "libraries": {name: metadata.version(name) for name in TOOLS},
    }


def write_compiled(model_dir: Path, to: Path, content: bytes, entry: Mapping[str, Any]) -> int:
    """
    Write the compiled model into *to*, the folder itself or a copy of it, once it has answered the samples.

    Returns:
        The number of samples.
    """
    with tempfile.TemporaryDirectory() as trial:
        copy = Path(trial) / "model"
        shutil.copytree(model_dir, copy)
        (copy / MODEL_FILE).write_bytes(content)
        tell_manifest(copy, entry)
        samples = find_samples(copy)
        replay(load_model(Settings.from_environment({"SM_MODEL_DIR": str(copy)})), samples)
        if to != model_dir:
            shutil.copytree(copy, to, dirs_exist_ok=True)
        else:
            for name in (MODEL_FILE, FILE_NAME):
                shutil.copy(copy / name, to / name)
    return len(samples)


def tell_manifest(model_dir: Path, entry: Mapping[str, Any]) -> None:
    """Write the entry and the compiled file's hash into the manifest, and leave the rest of it as it is."""
    path = model_dir / FILE_NAME
    if not path.is_file():
        write_manifest(model_dir, libraries=DEFAULT_LIBRARIES)
    content = json.loads(path.read_text())
    for name in (MODEL_FILE, *entry["from"]):
        content.setdefault("files", {})[name] = file_hash(model_dir / name)
    content["compiled"] = dict(entry)
    path.write_text(json.dumps(content, indent=2) + "\n")
