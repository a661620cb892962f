"""Reading a pickle runs what is in it: where a manifest has hashes, nothing is read that is not what they describe."""

import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import pytest

from builders import load
from serving.errors import StartError
from serving.manifest import write_manifest

CHANGED = "is not the file that manifest.json describes: expected sha256:"


class Tripwire:
    """A model that leaves a trace when it is unpickled, and answers nothing else."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.fixture
def model_dir(tmp_path: Path, trace: Path) -> Path:
    """A folder with a tripwire for a model, a file beside it and the manifest of both."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.joblib").write_bytes(pickle.dumps(Tripwire(trace)))
    (folder / "model.joblib_01.npy").write_bytes(b"numbers, as old versions of joblib kept them")
    write_manifest(folder, libraries=[])
    return folder


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def refusal_of(model_dir: Path) -> str:
    with pytest.raises(StartError) as refusal:
        load(model_dir)
    return str(refusal.value)


def test_the_tripwire_works(model_dir: Path, trace: Path) -> None:
    joblib.load(model_dir / "model.joblib")
    assert trace.exists()


@pytest.mark.parametrize("name", ["model.joblib", "model.joblib_01.npy"])
def test_a_changed_byte_is_refused_before_anything_is_unpickled(model_dir: Path, trace: Path, name: str) -> None:
    change_a_byte(model_dir / name)
    message = refusal_of(model_dir)
    assert f"{model_dir / name} {CHANGED}" in message
    assert not trace.exists()


def test_each_load_looks_anew_as_each_worker_does_that_loads_its_own_copy(model_dir: Path, trace: Path) -> None:
    """What the tripwire makes is no model, so each load fails; but only the second before it was unpickled."""
    assert CHANGED not in refusal_of(model_dir)
    trace.unlink()
    change_a_byte(model_dir / "model.joblib")
    assert CHANGED in refusal_of(model_dir)
    assert not trace.exists()


def test_a_model_of_which_the_manifest_has_no_hash_is_refused(model_dir: Path, trace: Path) -> None:
    manifest = model_dir / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["files"]["model.joblib"]
    manifest.write_text(json.dumps(content))
    message = refusal_of(model_dir)
    assert f"manifest.json has the hashes of model.joblib_01.npy, and none of {model_dir / 'model.joblib'}" in message
    assert f"or accept it with `make manifest MODEL={model_dir}`" in message
    assert not trace.exists()


def test_a_compiled_model_is_not_read_either(model_dir: Path, trace: Path) -> None:
    (model_dir / "model.onnx").write_bytes(b"a graph")
    write_manifest(model_dir, libraries=[], compiled={"hash": "sha256:0", "from": {}})
    change_a_byte(model_dir / "model.onnx")
    assert f"{model_dir / 'model.onnx'} {CHANGED}" in refusal_of(model_dir)
    assert not trace.exists()


def test_hooks_are_not_run_either(model_dir: Path, trace: Path) -> None:
    (model_dir / "code").mkdir()
    (model_dir / "code" / "inference.py").write_text(f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n")
    change_a_byte(model_dir / "model.joblib")
    assert CHANGED in refusal_of(model_dir)
    assert not trace.exists()
