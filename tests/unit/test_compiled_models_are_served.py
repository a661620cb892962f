"""model.onnx is served in place of the model that it was made from, as long as it stands for it."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import serving
from builders import ask, folder, load, separate_imports
from compiling.__main__ import compile_folder, parse
from serving.compiled import CompiledModel
from serving.errors import RequestError, StartError
from serving.model import Model

TABLE = pd.DataFrame(
    {
        "sex": pd.array(["M", "F", "I", "M", "F", "I"], dtype="str"),
        "length": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        "weight": [3.0, 1.0, 4.0, 1.5, 9.0, 2.0],
    }
)
RINGS = [7.0, 9.0, 4.0, 8.0, 11.0, 5.0]
INPUT = {
    "type": "table",
    "columns": [
        {"name": "sex", "type": "string"},
        {"name": "length", "type": "number"},
        {"name": "weight", "type": "number"},
    ],
    "label": "rings",
}
ROWS = "M,0.25,2\nF,0.5,\nX,0.1,3\n,0.3,1\n"


def fitted(alpha: float = 1.0) -> Any:
    sex = make_pipeline(
        SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    weight = make_pipeline(SimpleImputer(), StandardScaler())
    first = ColumnTransformer([("sex", sex, ["sex"]), ("length", "passthrough", ["length"]), ("w", weight, ["weight"])])
    return make_pipeline(first, Ridge(alpha)).fit(TABLE, RINGS)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compiled model; tests that change it copy it."""
    root = tmp_path_factory.mktemp("compiled")
    manifest = {"input": INPUT, "output": {"accept": "text/csv"}}
    folder(root, {"manifest.json": json.dumps(manifest), "samples/one_row.csv": "M,0.25,2\n"})
    joblib.dump(fitted(), root / "model.joblib")
    compile_folder(root, root, parse([str(root), "--rows", "100"]))
    return root


@pytest.fixture
def copy(compiled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(compiled, tmp_path / "model")


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def manifest_of(root: Path) -> dict[str, Any]:
    return json.loads((root / "manifest.json").read_text())


def change(root: Path, parts: Mapping[str, Any]) -> Path:
    """Replace parts of the folder's manifest."""
    (root / "manifest.json").write_text(json.dumps({**manifest_of(root), **parts}))
    return root


def write_manifest_anew(root: Path) -> None:
    command = [sys.executable, "-m", "serving.manifest", str(root), "scikit-learn"]
    subprocess.run(command, cwd=Path(serving.__file__).parents[1], capture_output=True, check=True, timeout=60)


def plain(root: Path) -> Model:
    """Return the folder's model as it is served when nothing was compiled."""
    change(root, {"compiled": {}})
    (root / "model.onnx").unlink()
    change(root, {"files": {}})
    return load(root)


def is_compiled(model: Model) -> bool:
    return isinstance(model.loaded, CompiledModel)


def reason_in(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = [record for record in caplog.records if "compiled" in record.message]
    assert (record.levelname, record.message) == ("WARNING", "the compiled model is not used, the original is")
    return record.reason


def test_it_answers_like_the_original(compiled: Path, copy: Path) -> None:
    found = [float(line) for line in ask(load(compiled), ROWS, "text/csv").body.split()]
    expected = [float(line) for line in ask(plain(copy), ROWS, "text/csv").body.split()]
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_log_says_what_is_served(compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert is_compiled(load(compiled))
    (record,) = [record for record in caplog.records if record.message == "the compiled model is served"]
    assert list(getattr(record, "from")) == ["model.joblib"]
    assert record.difference < 1e-9


def test_scikit_learn_is_not_imported(compiled: Path) -> None:
    program = (
        "import sys\nfrom serving.loading import load_model\nfrom serving.settings import Settings\n"
        "from serving.samples import find_samples, replay\n"
        "settings = Settings.from_environment({'SM_MODEL_DIR': sys.argv[1]})\n"
        "replay(load_model(settings), find_samples(settings.model_dir))\n"
        "print(*{'sklearn', 'joblib', 'scipy', 'onnxruntime'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", program, str(compiled)]
    code = Path(serving.__file__).parents[1]
    assert subprocess.check_output(command, cwd=code, text=True, timeout=60) == "onnxruntime\n"


def test_onnx_runtime_is_not_imported_without_a_compiled_model(copy: Path) -> None:
    change(copy, {"compiled": {}})
    program = (
        "import sys\nfrom serving.loading import load_model\nfrom serving.settings import Settings\n"
        "load_model(Settings.from_environment({'SM_MODEL_DIR': sys.argv[1]}))\n"
        "print('onnxruntime' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(copy)]
    code = Path(serving.__file__).parents[1]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_without_onnx_runtime_the_original_is_served(compiled: Path) -> None:
    program = (
        "import logging, sys\nsys.modules['onnxruntime'] = None  # as if it were not installed\n"
        "logging.basicConfig(format='%(message)s: %(reason)s')\n"
        "from serving.loading import load_model\nfrom serving.settings import Settings\n"
        "print(type(load_model(Settings.from_environment({'SM_MODEL_DIR': sys.argv[1]})).loaded).__name__)\n"
    )
    command = [sys.executable, "-c", program, str(compiled)]
    code = Path(serving.__file__).parents[1]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Pipeline\n"
    assert "the compiled model is not used, the original is" in done.stderr
    assert "; install onnxruntime" in done.stderr


def test_a_forked_copy_of_it_predicts_in_a_thread(compiled: Path) -> None:
    program = (
        "import os, sys, threading\nfrom serving.loading import load_model\nfrom serving.settings import Settings\n"
        "from serving.samples import find_samples, replay\n"
        "settings = Settings.from_environment({'SM_MODEL_DIR': sys.argv[1]})\n"
        "model, samples = load_model(settings), find_samples(settings.model_dir)\n"
        "replay(model, samples)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    thread = threading.Thread(target=lambda: (replay(model, samples), os._exit(0)))\n"
        "    thread.start(); thread.join(); os._exit(1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    command = [sys.executable, "-c", program, str(compiled)]
    done = subprocess.run(command, cwd=Path(serving.__file__).parents[1], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_retrained_original_is_served_itself_until_it_is_compiled_anew(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joblib.dump(retrained := fitted(alpha=50), copy / "model.joblib")
    write_manifest_anew(copy)
    model = load(copy)
    assert not is_compiled(model)
    found = float(ask(model, "M,0.25,2\n", "text/csv").body)
    row = pd.DataFrame({"sex": pd.array(["M"], dtype="str"), "length": [0.25], "weight": [2.0]})
    assert found == retrained.predict(row)[0]
    assert reason_in(caplog) == (
        "it was made from another model.joblib than the one that is here; `make compile` makes it anew"
    )


def test_the_manifest_can_be_written_anew(copy: Path) -> None:
    write_manifest_anew(copy)
    assert is_compiled(load(copy))


@pytest.mark.parametrize(
    ("hook", "defined"),
    [
        (
            "model_fn",
            "def model_fn(model_dir):\n    import joblib\n    return joblib.load(model_dir + '/model.joblib')\n",
        ),
        ("input_fn", "def input_fn(body, content_type):\n    return body\n"),
        ("predict_fn", "def predict_fn(data, model):\n    return model.predict(data)\n"),
        ("transform_fn", "def transform_fn(model, body, content_type, accept):\n    return body\n"),
    ],
)
def test_hooks_in_its_place_are_given_the_original(
    copy: Path, caplog: pytest.LogCaptureFixture, hook: str, defined: str
) -> None:
    model = load(folder(copy, {"code/inference.py": defined}))
    assert not is_compiled(model)
    assert reason_in(caplog) == f"code/ defines {hook}"


def test_an_output_fn_is_given_its_predictions(copy: Path) -> None:
    code = "def output_fn(found, accept):\n    return f'{type(found).__name__} {found.shape}', 'text/plain'\n"
    model = load(folder(copy, {"code/inference.py": code}))
    assert is_compiled(model)
    assert ask(model, ROWS, "text/csv").body == b"ndarray (4,)"


def test_another_input_than_it_was_made_for_is_the_originals(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = [INPUT["columns"][place] for place in (0, 2, 1)]
    change(copy, {"input": {**INPUT, "columns": columns}})
    assert not is_compiled(load(copy))
    assert reason_in(caplog).startswith("it was made for another input than manifest.json describes;")


def test_a_file_that_nobody_compared_is_not_served(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    entry = manifest_of(copy)["compiled"]
    change(copy, {"compiled": {**entry, "hash": "sha256:0"}})
    assert not is_compiled(load(copy))
    assert reason_in(caplog).startswith("model.onnx is not the file that was compared with the original;")


def test_a_file_without_a_hash_is_not_served(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = manifest_of(copy)["files"]
    change(copy, {"files": {"model.joblib": files["model.joblib"]}})
    assert not is_compiled(load(copy))
    assert reason_in(caplog).startswith("manifest.json has no hash of model.onnx;")


def test_a_file_without_an_entry_is_not_served(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(copy, {"compiled": {}})
    assert not is_compiled(load(copy))
    assert reason_in(caplog) == "manifest.json has no entry for it; `make compile` makes it anew"


def test_a_damaged_file_ends_the_start_as_any_damaged_file_does(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(StartError, match=r"model\.onnx is not the file that manifest\.json describes"):
        load(copy)


def test_an_entry_that_makes_no_sense_ends_the_start(copy: Path) -> None:
    entry = manifest_of(copy)["compiled"]
    del entry["output"]
    change(copy, {"compiled": entry})
    with pytest.raises(
        StartError, match=r"^manifest\.json describes a compiled model that cannot be: KeyError 'output'\."
    ):
        load(copy)


@pytest.mark.parametrize("body", ["M,inf,2\n", "M,,2\n", "M,1e39,inf\n"])
def test_what_the_original_refuses_it_refuses(compiled: Path, copy: Path, body: str) -> None:
    for model in (load(compiled), plain(copy)):
        with pytest.raises(RequestError) as caught:
            ask(model, body, "text/csv")
        assert (caught.value.status, caught.value.message) == (
            422,
            "The model refused this input; the log has the reason under this request id.",
        )


def test_an_unknown_category_is_refused_where_the_original_refuses_it(tmp_path: Path) -> None:
    first = ColumnTransformer([("sex", OneHotEncoder(), ["sex"])], remainder="passthrough")
    folder(tmp_path, {"manifest.json": json.dumps({"input": INPUT})})
    joblib.dump(make_pipeline(first, Ridge()).fit(TABLE, RINGS), tmp_path / "model.joblib")
    compile_folder(tmp_path, tmp_path, parse([str(tmp_path), "--rows", "50"]))
    with pytest.raises(RequestError) as caught:
        ask(load(tmp_path), "X,1,2\n", "text/csv")
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("M,0.1,x\n", "text/csv"),
        ("M,0.1,1\nM,1_0,1\n", "text/csv"),
        ("M,0.1\n", "text/csv"),
        ('[[["M"], 1, 2]]', "application/json"),
        ('{"sex": "M", "length": 1}', "application/json"),
        ('[["M", true, null], ["M", {}, 1]]', "application/json"),
    ],
)
def test_a_bad_cell_gets_the_same_message(compiled: Path, copy: Path, body: str, content_type: str) -> None:
    messages = []
    for model in (load(compiled), plain(copy)):
        with pytest.raises(RequestError) as caught:
            ask(model, body, content_type)
        messages.append((caught.value.status, caught.value.message))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("M,0.25,2,9\nF,0.5,1,10\n", "text/csv"),
        ('{"instances": [["M", "0.25", 2], [null, 0.5, ""]]}', "application/json"),
        ('{"weight": 2, "sex": "F", "length": 0.25}\n', "application/jsonlines"),
    ],
)
def test_every_way_of_sending_rows_is_read(compiled: Path, copy: Path, body: str, content_type: str) -> None:
    found, expected = (
        json.loads(ask(model, body, content_type, "application/json").body) for model in (load(compiled), plain(copy))
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_model_of_numbers_alone_is_served_too(tmp_path: Path) -> None:
    rows = TABLE[["length", "weight"]].to_numpy()
    joblib.dump(tree := DecisionTreeRegressor().fit(rows, RINGS), tmp_path / "model.joblib")
    compile_folder(tmp_path, tmp_path, parse([str(tmp_path), "--rows", "50"]))
    model = load(tmp_path)
    assert is_compiled(model)
    asked = np.array([[0.1, 3.0], [0.6, 2.0]])
    assert json.loads(ask(model, json.dumps(asked.tolist()), "application/json").body) == tree.predict(asked).tolist()
    with pytest.raises(RequestError, match=r"^Row 1 has 1 columns; the model takes 2\.$"):
        ask(model, "1", "text/csv")
