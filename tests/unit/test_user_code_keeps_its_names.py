"""A user's modules beside inference.py are theirs, except where a name cannot be shared."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.dummy import DummyRegressor

import serving
from builders import ECHO, ask, folder, load, separate_imports
from serving.errors import StartError

HOOKS_FILE = ("__init__", "inference")  # no user's sibling can have these names
OURS = sorted(path.stem for path in Path(serving.__file__).parent.glob("*.py") if path.stem not in HOOKS_FILE)


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def code_that_imports(name: str) -> str:
    return f"import {name} as sibling\n{ECHO}\ndef predict_fn(data, model):\n    return [sibling.WHOSE]\n"


@pytest.mark.parametrize("name", [*OURS, "utils", "features"])
def test_a_module_named_like_one_of_ours_is_the_users(tmp_path: Path, name: str) -> None:
    folder(tmp_path, {f"code/{name}.py": "WHOSE = 'the user'\n", "code/inference.py": code_that_imports(name)})
    assert ask(load(tmp_path), "[[1]]").body == b'["the user"]'


@pytest.mark.parametrize("name", ["errors", "model", "schema"])
def test_a_package_named_like_one_of_ours_is_the_users(tmp_path: Path, name: str) -> None:
    files = {f"code/{name}/__init__.py": "from .inner import WHOSE\n", f"code/{name}/inner.py": "WHOSE = 'the user'\n"}
    folder(tmp_path, {**files, "code/inference.py": code_that_imports(name)})
    assert ask(load(tmp_path), "[[1]]").body == b'["the user"]'


def test_siblings_can_be_imported_while_a_request_is_answered(tmp_path: Path) -> None:
    late = f"{ECHO}\ndef predict_fn(data, model):\n    from helper import WHOSE\n    return [WHOSE]\n"
    folder(tmp_path, {"code/helper.py": "WHOSE = 'the user'\n", "code/inference.py": late})
    assert ask(load(tmp_path), "[[1]]").body == b'["the user"]'


def test_a_pickle_may_need_a_sibling_of_the_hooks(tmp_path: Path) -> None:
    """An estimator of the user's own class is found through `code/`."""
    files = {
        "code/their_estimator.py": "class Mine:\n    def predict(self, rows):\n        return ['mine']\n",
        "code/inference.py": "import their_estimator\n",
        "model.pkl": b"ctheir_estimator\nMine\n(tR.",
    }
    assert ask(load(folder(tmp_path, files)), "[[1]]").body == b'["mine"]'


def test_a_pickle_may_need_a_class_of_inference_py_itself(tmp_path: Path) -> None:
    files = {
        "code/inference.py": "class Mine:\n    def predict(self, rows):\n        return ['mine']\n",
        "model.pkl": b"cinference\nMine\n(tR.",
    }
    assert ask(load(folder(tmp_path, files)), "[[1]]").body == b'["mine"]'


def test_the_same_folder_can_be_loaded_twice(tmp_path: Path) -> None:
    """Once before the fork, and once in each worker where the model does not survive it."""
    folder(tmp_path, {"code/errors.py": "WHOSE = 'the user'\n", "code/inference.py": code_that_imports("errors")})
    load(tmp_path)
    assert ask(load(tmp_path), "[[1]]").body == b'["the user"]'


@pytest.mark.parametrize("name", ["json", "types", "queue", "signal", "random", "numpy", "pandas", "werkzeug"])
@pytest.mark.parametrize("path", ["{}.py", "{}/__init__.py"])
def test_a_module_that_would_hide_one_in_use_is_refused(tmp_path: Path, name: str, path: str) -> None:
    colliding = f"code/{path.format(name)}"
    folder(tmp_path, {colliding: "", "code/inference.py": ECHO})
    with pytest.raises(StartError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert f"has the name of a module that the server itself uses ({name})" in message
    assert "Rename the file, and what imports it." in message


@pytest.mark.parametrize("name", ["json.txt", "numpy.csv", "queue/data.bin"])
def test_files_that_are_no_modules_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder(tmp_path, {f"code/{name}": "", "code/inference.py": ECHO})
    assert ask(load(tmp_path), "[[1.0]]").body == b"[[1.0]]"


@pytest.mark.parametrize("name", ["joblib", "sklearn", "xgboost", "scipy"])
def test_a_module_that_would_hide_a_library_of_the_default_loaders_is_refused(tmp_path: Path, name: str) -> None:
    """In a process of its own, where that library is not imported yet."""
    folder(tmp_path, {f"code/{name}.py": "", "code/inference.py": "", "model.joblib": b"never read"})
    program = (
        "import sys\nfrom pathlib import Path\nfrom serving.errors import StartError\n"
        "from serving.hooks import load_hooks\n"
        "try:\n    load_hooks(Path(sys.argv[1]), 'inference.py')\nexcept StartError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "code")]
    code = Path(serving.__file__).parents[1]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=30)
    assert f"has the name of a module that the server itself uses ({name})" in done.stdout


def test_code_beside_a_model_that_needs_none_may_be_requirements_only(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    folder(tmp_path, {"code/requirements.txt": "scikit-learn\n"})
    joblib.dump(DummyRegressor(strategy="constant", constant=2.0).fit([[0.0]], [2.0]), tmp_path / "model.joblib")
    assert ask(load(tmp_path), "[[1]]").body == b"[2.0]"
