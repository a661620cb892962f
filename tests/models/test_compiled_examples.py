"""The scikit-learn examples of models/, compiled: texts, gaps and trees, and the same answers."""

import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from builders import load
from server import MODELS, ROOT
from serving.compiled import CompiledModel
from serving.model import Model
from serving.samples import find_samples, replay

EXAMPLES = {"abalone": "model.joblib", "abalone_featurizer": "preprocess.joblib"}
MEASURES = ["length", "diameter", "height", "whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]
ROWS = 5000


def compiled(name: str, to: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compiling", str(MODELS / name), "--to", str(to)],
        cwd=ROOT,
        env={"PYTHONPATH": "container/code"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    to = tmp_path_factory.mktemp(request.param) / "compiled"
    done = compiled(request.param, to)
    assert (done.returncode, done.stdout) == (0, f"{to}\n"), done.stderr
    return request.param, to


@pytest.fixture(scope="module")
def model(example: tuple[str, Path]) -> Model:
    return load(example[1])


def shells() -> pd.DataFrame:
    """Shells of all sizes; sexes that are missing or unknown, and missing measures."""
    chance = np.random.default_rng(30)
    sexes = pd.array(chance.choice(["M", "F", "I", "X", None], ROWS), dtype="str")
    measures = pd.DataFrame({name: chance.uniform(0, 2, ROWS) for name in MEASURES})
    return measures.mask(chance.random(measures.shape) < 0.05).assign(sex=sexes)[["sex", *MEASURES]]


def test_its_samples_get_their_answers(example: tuple[str, Path], model: Model) -> None:
    assert isinstance(model.loaded, CompiledModel)
    replay(model, find_samples(example[1]))


def test_the_manifest_says_how_near_it_is(example: tuple[str, Path]) -> None:
    entry = json.loads((example[1] / "manifest.json").read_text())["compiled"]
    assert entry["difference"] == 0
    assert entry["rows"] == 1000
    assert set(entry["libraries"]) == {"skl2onnx", "onnx", "onnxruntime", "scikit-learn"}


def test_thousands_of_other_rows_get_the_same_digits(example: tuple[str, Path], model: Model) -> None:
    name, _ = example
    original = joblib.load(MODELS / name / EXAMPLES[name])
    table = shells()
    expected = original.predict(table) if hasattr(original, "predict") else original.transform(table)
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert np.array_equal(model.loaded.predict(model.schema.assemble(rows)), expected)
    alone = [model.loaded.predict(model.schema.assemble([row]))[0] for row in rows[:300]]
    assert np.array_equal(alone, expected[:300])


def test_the_folder_that_it_was_made_from_stays_as_it_is() -> None:
    for name in EXAMPLES:
        assert not (MODELS / name / "model.onnx").exists()
        assert "compiled" not in json.loads((MODELS / name / "manifest.json").read_text())


def test_an_xgboost_model_is_refused(tmp_path: Path) -> None:
    done = compiled("abalone_predictor", tmp_path / "to")
    assert done.returncode == 1
    assert "holds xgboost.core.Booster, and only scikit-learn's own models can be compiled." in done.stderr
    assert not (tmp_path / "to").exists()
