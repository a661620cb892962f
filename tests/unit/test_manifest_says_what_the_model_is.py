"""manifest.json: the files' hashes, the libraries' versions, what goes in and what comes out."""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import serving
from builders import ask, folder, load, separate_imports
from serving.errors import StartError
from serving.manifest import Manifest, file_hash, installed_version, read_manifest, verify_files, write_manifest
from serving.schema import Column, InputSchema, schema_of

FILES = {
    "model.joblib": "the model",
    "vocabulary/words.txt": "words",
    "code/inference.py": "pass",
    "samples/a.csv": "1",
    "train.py": "pass",
    "README.md": "# notes",
    ".hidden": "x",
}


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def manifest_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = Path(serving.__file__).parents[1]
    command = [sys.executable, "-m", "serving.manifest", *arguments]
    return subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=30)


def test_only_the_models_own_files_are_hashed(tmp_path: Path) -> None:
    write_manifest(folder(tmp_path, FILES), libraries=[])
    found = read_manifest(tmp_path).files
    assert found == {
        "model.joblib": f"sha256:{hashlib.sha256(b'the model').hexdigest()}",
        "vocabulary/words.txt": f"sha256:{hashlib.sha256(b'words').hexdigest()}",
    }


def test_what_is_hidden_is_no_part_of_the_model(tmp_path: Path) -> None:
    folder(tmp_path, {"model.joblib": b"x", ".ipynb_checkpoints/model.joblib": b"x", ".git/HEAD": "x"})
    write_manifest(tmp_path, libraries=[])
    assert set(read_manifest(tmp_path).files) == {"model.joblib"}


def test_versions_of_python_and_of_the_named_libraries_are_recorded(tmp_path: Path) -> None:
    write_manifest(folder(tmp_path, FILES), libraries=["numpy", "no-such-library"])
    expected = {"python": platform.python_version(), "numpy": metadata.version("numpy")}
    assert read_manifest(tmp_path).libraries == expected


def test_input_and_output_are_recorded(tmp_path: Path) -> None:
    schema = {"type": "table", "columns": [{"name": "a", "type": "number"}]}
    write_manifest(folder(tmp_path, FILES), libraries=[], input=schema, output={"accept": "text/csv"})
    found = read_manifest(tmp_path)
    assert (found.input, found.output) == (schema, {"accept": "text/csv"})


def test_what_was_written_verifies(tmp_path: Path) -> None:
    write_manifest(folder(tmp_path, FILES), libraries=[])
    verify_files(read_manifest(tmp_path), tmp_path)


def test_writing_twice_gives_the_same_file(tmp_path: Path) -> None:
    first = write_manifest(folder(tmp_path, FILES), libraries=["numpy"]).read_text()
    assert write_manifest(tmp_path, libraries=["numpy"]).read_text() == first


def test_a_changed_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    write_manifest(folder(tmp_path, FILES), libraries=[])
    before = file_hash(tmp_path / "model.joblib")
    (tmp_path / "model.joblib").write_text("another model")
    with pytest.raises(StartError) as caught:
        verify_files(read_manifest(tmp_path), tmp_path)
    message = str(caught.value)
    assert f"{tmp_path / 'model.joblib'} is not the file that manifest.json describes" in message
    assert f"expected {before}, found {file_hash(tmp_path / 'model.joblib')}" in message
    assert f"accept it with `make manifest MODEL={tmp_path}`" in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    write_manifest(folder(tmp_path, FILES), libraries=[])
    (tmp_path / "model.joblib").unlink()
    with pytest.raises(StartError, match="found no such file"):
        verify_files(read_manifest(tmp_path), tmp_path)


def test_no_manifest_is_an_empty_one(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == Manifest()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '"text"', '{"files": 1}', '{"libraries": null}', '{"input": ["a"]}', b"\xff{}"]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str | bytes) -> None:
    folder(tmp_path, {"manifest.json": content})
    with pytest.raises(StartError, match=r"manifest\.json is not a manifest: .* Write it anew with `make manifest "):
        read_manifest(tmp_path)


def test_the_command_writes_the_manifest_and_prints_its_path(tmp_path: Path) -> None:
    done = manifest_command(str(folder(tmp_path, FILES)), "numpy", "joblib")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'manifest.json'}\n")
    found = read_manifest(tmp_path)
    assert set(found.files) == {"model.joblib", "vocabulary/words.txt"}
    assert set(found.libraries) == {"python", "numpy", "joblib"}


def test_the_command_keeps_input_and_output(tmp_path: Path) -> None:
    before = {"files": {"gone": "sha256:0"}, "input": {"type": "text"}, "output": {"accept": "text/csv"}}
    folder(tmp_path, {**FILES, "manifest.json": json.dumps(before)})
    manifest_command(str(tmp_path))
    found = read_manifest(tmp_path)
    assert (found.input, found.output) == ({"type": "text"}, {"accept": "text/csv"})
    assert "gone" not in found.files


def test_the_command_records_the_default_libraries(tmp_path: Path) -> None:
    manifest_command(str(folder(tmp_path, FILES)))
    assert {"python", "scikit-learn", "numpy", "pandas", "joblib"} <= set(read_manifest(tmp_path).libraries)


def test_the_command_refuses_what_is_no_folder(tmp_path: Path) -> None:
    done = manifest_command(str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere'} is not a folder" in done.stderr


def test_the_command_refuses_a_library_that_is_not_here(tmp_path: Path) -> None:
    done = manifest_command(str(tmp_path), "scikit-learn", "skikit-learn")
    assert done.returncode == 2
    assert "not installed here: skikit-learn" in done.stderr


def test_xgboost_with_and_without_gpus_is_one_library() -> None:
    assert installed_version("xgboost") == installed_version("xgboost-cpu") is not None


def test_the_command_writes_a_damaged_manifest_anew(tmp_path: Path) -> None:
    """This is what the message about a damaged manifest tells people to do."""
    done = manifest_command(str(folder(tmp_path, {**FILES, "manifest.json": "{"})))
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
    assert set(read_manifest(tmp_path).files) == {"model.joblib", "vocabulary/words.txt"}


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (
            {"type": "table", "columns": [{"name": "a", "type": "string"}], "label": "y"},
            InputSchema("table", (Column("a", numeric=False),), 1, "y"),
        ),
        (
            {"columns": [{"name": "a", "type": "number"}]},
            InputSchema("table", (Column("a", numeric=True),), 1),
        ),
        (
            {"type": "matrix", "columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "number"}]},
            InputSchema("matrix", (Column("a", numeric=True), Column("b", numeric=True)), 2),
        ),
        ({"type": "matrix"}, InputSchema("matrix")),
        ({"type": "text"}, InputSchema("text")),
    ],
)
def test_the_input_is_what_the_manifest_says(described: dict[str, Any], expected: InputSchema) -> None:
    assert schema_of(Manifest(input=described), object()) == expected


@pytest.mark.parametrize(
    "described",
    [
        {"type": "image"},
        {"type": ["table"]},
        {"columns": [{"name": "a", "type": "float"}]},
        {"columns": [{"name": "a"}]},
        {"columns": [{"type": "number"}]},
        {"columns": ["a"]},
        {"columns": None},
        {"columns": 1},
        {"type": "table"},
        {"type": "table", "columns": []},
        {"columns": [{"name": "a", "type": "number"}, {"name": "a", "type": "number"}]},
    ],
)
def test_an_input_that_makes_no_sense_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(StartError, match=r"manifest\.json"):
        schema_of(Manifest(input=described), object())


PLAIN_MODEL = """
    class Adder:
        def predict(self, rows):
            return rows.sum(axis=1)

    def model_fn(model_dir):
        return Adder()
    """


@pytest.mark.parametrize(
    ("accept", "environ", "expected"),
    [
        (None, {}, b"[3.0]"),
        ("text/csv", {}, b"3.0\n"),
        ("text/csv", {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines"}, b"3.0\n"),
        ("text/csv", {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json"}, b"[3.0]"),
        (None, {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}, b"3.0\n"),
        (None, {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "TEXT/CSV; charset=utf-8"}, b"3.0\n"),
        ("Text/CSV", {}, b"3.0\n"),
    ],
)
def test_the_default_answer_is_the_operators_choice_then_the_manifests_then_json(
    tmp_path: Path, accept: str | None, environ: dict[str, str], expected: bytes
) -> None:
    manifest = json.dumps({"output": {"accept": accept} if accept else {}})
    model = load(folder(tmp_path, {"manifest.json": manifest, "code/inference.py": PLAIN_MODEL}), **environ)
    assert ask(model, "1,2", "text/csv").body == expected


@pytest.mark.parametrize("accept", ["image/png", 5])
def test_a_default_answer_that_nobody_can_write_is_refused_at_the_start(tmp_path: Path, accept: Any) -> None:
    manifest = json.dumps({"output": {"accept": accept}})
    with pytest.raises(StartError, match=str(accept)):
        load(folder(tmp_path, {"manifest.json": manifest, "code/inference.py": PLAIN_MODEL}))


def test_an_operators_choice_that_nobody_can_write_is_refused_at_the_start(tmp_path: Path) -> None:
    folder(tmp_path, {"code/inference.py": PLAIN_MODEL})
    with pytest.raises(StartError, match="image/png"):
        load(tmp_path, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="image/png")


@pytest.mark.parametrize("serving", [{"batching": "no"}, {"batch": True}])
def test_what_the_manifest_says_of_serving_is_checked(tmp_path, serving):
    (tmp_path / "manifest.json").write_text(json.dumps({"serving": serving}))
    with pytest.raises(StartError, match='is not a manifest: serving takes "batching": true or false, and has'):
        read_manifest(tmp_path)


def test_what_the_manifest_says_of_serving_is_kept_when_it_is_written_anew(tmp_path):
    (tmp_path / "manifest.json").write_text('{"serving": {"batching": false}}')
    assert manifest_command(str(tmp_path)).returncode == 0
    assert read_manifest(tmp_path).batching is False
