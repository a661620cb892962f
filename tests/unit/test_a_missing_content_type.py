"""A caller who names no Content-Type is told what was assumed."""

import pytest

from builders import folder, load, separate_imports
from serving.errors import BadRequest
from serving.inference import InferenceRequest
from serving.model import Model

MANIFEST = '{"input": {"type": "matrix", "columns": [{"name": "length", "type": "number"}]}}'
SCRIPT = """
def model_fn(model_dir):
    return 1

def predict_fn(rows, model):
    return rows
"""


@pytest.fixture
def model(tmp_path):
    with separate_imports():
        yield load(folder(tmp_path, {"code/inference.py": SCRIPT, "manifest.json": MANIFEST}))


def answer(model: Model, body: bytes, content_type: str | None) -> bytes:
    return model.transform(InferenceRequest(body, content_type)).body


def test_json_without_a_content_type_is_read(model) -> None:
    assert answer(model, b"[[1.5]]", None) == b"[[1.5]]"


@pytest.mark.parametrize(("content_type", "told"), [(None, True), ("application/json", False)])
def test_what_is_no_json_is_refused_with_what_was_assumed(model, content_type, told) -> None:
    with pytest.raises(BadRequest) as raised:
        answer(model, b"1.5,2", content_type)
    assert ("No Content-Type was sent, so the body was read as JSON." in raised.value.message) is told
