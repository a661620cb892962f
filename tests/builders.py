"""What tests build again and again: model folders, models, requests and bodies."""

import io
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serving.decoders import decode
from serving.inference import InferenceRequest, InferenceResponse
from serving.loading import load_model
from serving.media_types import parse_content_type
from serving.model import Model
from serving.schema import Column, InputSchema
from serving.settings import Settings

TABLE = InputSchema("table", (Column("sex", numeric=False), Column("length", numeric=True)), 2, "rings")
MATRIX = InputSchema("matrix", width=2)
TEXT = InputSchema("text")

# A complete inference.py whose answer is what predict_fn was given; tests add or replace hooks below it.
ECHO = """
def model_fn(model_dir):
    return "the model"

def predict_fn(data, model):
    return data
"""


def folder(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write *files*, by their paths inside *root*, and return *root*; text may be indented."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return root


def settings(**environ: str) -> Settings:
    """Return the settings of a server with these environment variables and no others."""
    return Settings.from_environment(environ)


def load(model_dir: Path, **environ: str) -> Model:
    """Load the model in *model_dir* as the server does."""
    return load_model(settings(SM_MODEL_DIR=str(model_dir), **environ))


def load_code(root: Path, inference: str, **environ: str) -> Model:
    """Load a model that consists of nothing but `code/inference.py`."""
    return load(folder(root, {"code/inference.py": inference}), **environ)


def ask(
    model: Model, body: bytes | str, content_type: str | None = None, accept: str | None = None, **more: Any
) -> InferenceResponse:
    """Send one request through *model*."""
    body = body.encode() if isinstance(body, str) else body
    return model.transform(InferenceRequest(body, content_type, accept, **more))


def read(body: bytes | str, content_type: str, schema: InputSchema) -> Any:
    """Return what a model with *schema* is given for *body*."""
    body = body.encode() if isinstance(body, str) else body
    return schema.assemble(decode(body, parse_content_type(content_type)))


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    """Return *array* as a `.npy` file; an array of objects is pickled."""
    stream = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # NumPy's, of readers older than version 3.0
        np.lib.format.write_array(stream, np.asanyarray(array), version=version)
    return stream.getvalue()


def npy_with_header(header: str, data: bytes = b"") -> bytes:
    """Return a `.npy` file, version 1.0, with a header of any text."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin1") + data


def from_npy(body: bytes) -> Any:
    """Return the array in a `.npy` file, never unpickled."""
    return np.load(io.BytesIO(body), allow_pickle=False)


@contextmanager
def separate_imports() -> Iterator[None]:
    """Forget, at the end, the code folders on the search path and the modules that were imported from them."""
    path, writes_no_bytecode = list(sys.path), sys.dont_write_bytecode
    yield
    sys.dont_write_bytecode = writes_no_bytecode
    added = tuple(f"{entry}/" for entry in sys.path if entry not in path)
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if added and (getattr(module, "__file__", None) or "").startswith(added):
            del sys.modules[name]
    sys.modules.pop("inference", None)
