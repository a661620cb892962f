"""Library versions: a difference is a warning, and the first thing to name when a model cannot be unpickled."""

import logging
import pickle
from importlib import metadata
from pathlib import Path

import pytest

from builders import folder, load
from serving.errors import StartError
from serving.manifest import Manifest, version_differences, write_manifest

NUMPY = metadata.version("numpy")
SKLEARN = metadata.version("scikit-learn")
REMOVED_CLASS = b"csklearn.linear_model\nRemovedRegression\n."  # a pickle of a class that scikit-learn does not have
UNKNOWN_MODULE = b"ctraining_code\nTheirRegression\n."


def failure(model_dir: Path) -> str:
    with pytest.raises(StartError) as caught:
        load(model_dir)
    return str(caught.value)


def test_the_same_versions_are_no_difference() -> None:
    assert version_differences(Manifest(libraries={"numpy": NUMPY, "scikit-learn": SKLEARN})) == []


def test_a_difference_names_both_versions() -> None:
    found = version_differences(Manifest(libraries={"numpy": "1.0", "scikit-learn": SKLEARN}))
    assert found == [f"numpy {NUMPY} here, 1.0 in manifest.json"]


def test_a_missing_library_is_a_difference() -> None:
    found = version_differences(Manifest(libraries={"no-such-library": "1.0"}))
    assert found == ["no-such-library is missing here, 1.0 in manifest.json"]


def test_pythons_version_is_recorded_but_no_difference() -> None:
    assert version_differences(Manifest(libraries={"python": "2.7"})) == []


def test_a_model_of_other_versions_loads_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_manifest(folder(tmp_path, {"model.pkl": pickle.dumps(Anything())}), libraries=[])
    manifest = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(manifest.replace('"python"', '"numpy": "1.0",\n    "python"'))
    load(tmp_path)
    differences = [record.__dict__["differences"] for record in caplog.records if record.levelno == logging.WARNING]
    assert differences == [[f"numpy {NUMPY} here, 1.0 in manifest.json"]]


class Anything:
    """A model that can be pickled."""

    def predict(self, rows: object) -> object:
        """Return *rows*."""
        return rows


def test_an_unpickling_failure_names_what_failed_and_the_versions_found_and_expected(tmp_path: Path) -> None:
    files = {"model.joblib": REMOVED_CLASS, "manifest.json": '{"libraries": {"scikit-learn": "0.20.3"}}'}
    message = failure(folder(tmp_path, files))
    assert "model.joblib cannot be unpickled: AttributeError: " in message
    assert "RemovedRegression" in message
    assert f"Versions differ: scikit-learn {SKLEARN} here, 0.20.3 in manifest.json." in message
    assert "Install the expected ones, or train with those here." in message


def test_without_a_manifest_the_version_in_the_file_is_named(tmp_path: Path) -> None:
    truncated = pickle.dumps({"_sklearn_version": "0.20.3"})[:-1]
    message = failure(folder(tmp_path, {"model.pkl": truncated}))
    assert f"Versions differ: scikit-learn {SKLEARN} here, 0.20.3 in the file." in message


def test_the_same_version_in_the_file_is_not_called_a_difference(tmp_path: Path) -> None:
    truncated = pickle.dumps({"_sklearn_version": SKLEARN})[:-1]
    assert "Versions differ" not in failure(folder(tmp_path, {"model.pkl": truncated}))


def test_with_equal_versions_the_file_or_a_module_is_to_blame(tmp_path: Path) -> None:
    files = {"model.joblib": UNKNOWN_MODULE, "manifest.json": f'{{"libraries": {{"numpy": "{NUMPY}"}}}}'}
    message = failure(folder(tmp_path, files))
    assert "ModuleNotFoundError: No module named 'training_code'" in message
    assert "Versions differ" not in message
    assert "the file may be damaged, or need a module of yours" in message


def test_without_any_version_the_message_says_how_to_record_them(tmp_path: Path) -> None:
    assert "There is no manifest.json to compare library versions with; `make manifest` writes one" in failure(
        folder(tmp_path, {"model.joblib": UNKNOWN_MODULE})
    )
