"""
A model that was compiled to ONNX, in place of the one it was made from: no scikit-learn, no DataFrame.

`python -m compiling` makes it, proves it, and writes `compiled` into the manifest: from which file it was made, what
goes in and out, and what the original refuses. The samples prove it again at each start, like any model.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import StartError
from serving.hooks import Hooks
from serving.manifest import FILE_NAME, Manifest
from serving.packed import NUMBERS, described, packed_inputs, schema_in
from serving.schema import schema_from_manifest

MODEL_FILE = "model.onnx"
HOOKS_IN_ITS_PLACE = ("model_fn", "input_fn", "predict_fn", "transform_fn")
SILENT = 4  # ONNX Runtime's number for fatal errors alone
COMPILE_ANEW = "`make compile` makes it anew"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused:
    """
    What the original refuses, and ONNX would answer.

    Attributes:
        limits: the largest magnitude of each number that the original takes.
        needed: the places of the numbers that may not be missing.
    """

    limits: NDArray[np.float64]
    needed: NDArray[np.intp]

    def check(self, numbers: NDArray[np.float64]) -> None:
        """Raise `ValueError`, as scikit-learn does, for numbers (rows, columns) that the original refuses."""
        fine = np.abs(numbers) <= self.limits
        if fine.all():
            return
        missing = np.isnan(numbers)
        if not (fine | missing).all():
            raise ValueError("the input holds a number that is infinite or too large")
        if missing[:, self.needed].any():
            raise ValueError("the input lacks a number that the model needs")


class CompiledModel:
    """An ONNX model with the `predict` of the model that it was made from."""

    def __init__(self, content: bytes, entry: Mapping[str, Any]) -> None:
        """Read the model; *entry* is the manifest's, and says what it takes and gives."""
        self.schema = schema_in(entry)
        self._session = session_of(content)
        self._output = [self._session.get_outputs()[0].name]
        self._dtype, self._shape = np.dtype(entry["output"]["dtype"]), tuple(entry["output"]["shape"])
        limits = [np.inf if limit is None else limit for limit in entry["refused"]["limits"]]
        self._refused = Refused(np.array(limits), np.array(entry["refused"]["needed"], dtype=np.intp))
        self._refusals = refusals()

    def predict(self, data: Any) -> NDArray[Any]:
        """Return what the original would, for packed columns, numbers (rows, columns) or a list of texts."""
        packed = packed_inputs(data)
        if NUMBERS in packed:
            self._refused.check(packed[NUMBERS])
        try:
            (answer,) = self._session.run(self._output, packed)
        except self._refusals as error:
            raise ValueError(f"ONNX Runtime: {error}") from error
        return answer.reshape((len(answer), *self._shape)).astype(self._dtype, copy=False)  # type: ignore[no-any-return]


def session_of(content: bytes) -> Any:
    """
    Load the model for one thread.

    More would be a pool, which a forked worker does not have; and requests that wait are answered together.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT  # its lines would be no JSON, and repeat what a caller sent
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        reason = " ".join(str(error).split())
        raise StartError(
            f"{MODEL_FILE} is not a model that ONNX Runtime {onnxruntime.__version__} reads: {reason:.300} "
            f"{COMPILE_ANEW} with this version; or take `compiled` out of {FILE_NAME}, and the original is served."
        ) from error


def refusals() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises for an input that the model does not take, such as an unknown category."""
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    return (raised.Fail, raised.InvalidArgument)


def compiled_model(manifest: Manifest, hooks: Hooks, model_dir: Path) -> CompiledModel | None:
    """Return the folder's compiled model if it stands for the original, else None and a warning that says why."""
    if not manifest.compiled:
        if (model_dir / MODEL_FILE).is_file() and not hooks.model_fn:  # else it is the user's own
            warn_of(f"{FILE_NAME} has no entry for it; {COMPILE_ANEW}")
        return None
    try:
        if reason := reason_against(manifest, hooks):
            warn_of(reason)
            return None
        model = CompiledModel((model_dir / MODEL_FILE).read_bytes(), manifest.compiled)
    except ImportError as error:
        warn_of(f"{error}; install onnxruntime")
        return None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StartError(
            f"{FILE_NAME} describes a compiled model that cannot be: {type(error).__name__} {error}. "
            f"{COMPILE_ANEW}, or take `compiled` out of {FILE_NAME}."
        ) from None
    log.info("the compiled model is served", extra={key: manifest.compiled.get(key) for key in ("from", "difference")})
    return model


def warn_of(reason: str) -> None:
    """Write why the original is served although there is a compiled model."""
    log.warning("the compiled model is not used, the original is", extra={"reason": reason})


def reason_against(manifest: Manifest, hooks: Hooks) -> str | None:
    """Return why the compiled model does not stand for the original, None if it does."""
    entry = manifest.compiled
    if own := [name for name in HOOKS_IN_ITS_PLACE if getattr(hooks, name)]:
        return f"code/ defines {', '.join(own)}"
    if MODEL_FILE not in manifest.files:
        return f"{FILE_NAME} has no hash of {MODEL_FILE}; {COMPILE_ANEW}"
    if manifest.files[MODEL_FILE] != entry["hash"]:
        return f"{MODEL_FILE} is not the file that was compared with the original; {COMPILE_ANEW}"
    for name, known in entry["from"].items():
        if manifest.files.get(name) != known:
            return f"it was made from another {name} than the one that is here; {COMPILE_ANEW}"
    if manifest.input and described(schema_from_manifest(manifest)) != entry["input"]:
        return f"it was made for another input than {FILE_NAME} describes; {COMPILE_ANEW}"
    return None
