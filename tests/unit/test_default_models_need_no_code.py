"""A file that scikit-learn or XGBoost saved is a model: no code, no manifest."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import serving
from builders import ask, folder, from_npy, load
from serving.errors import RequestError
from serving.model import Model

ROWS = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [3.0, 5.0], [4.0, 4.0], [5.0, 7.0]])
TARGET = ROWS @ [2.0, -1.0] + 0.5
TEXTS = ["good film", "very good", "bad film", "very bad"]
MOODS = ["happy", "happy", "sad", "sad"]


def served(root: Path, estimator: Any, name: str = "model.joblib") -> Model:
    joblib.dump(estimator, root / name)
    return load(root)


def booster(objective: str = "reg:squarederror") -> xgboost.Booster:
    data = xgboost.DMatrix(ROWS, TARGET > 2)
    return xgboost.train({"objective": objective, "max_depth": 2, "nthread": 1}, data, 5)


def numbers(model: Model, body: bytes | str, content_type: str) -> Any:
    return from_npy(ask(model, body, content_type, "application/x-npy").body)


@pytest.mark.parametrize("name", ["model.joblib", "anything.pkl", "estimator.pickle"])
def test_an_estimator_fitted_on_arrays_takes_rows_of_numbers(tmp_path: Path, name: str) -> None:
    estimator = LinearRegression().fit(ROWS, TARGET)
    model = served(tmp_path, estimator, name)
    assert numbers(model, "7,8\n9,1\n", "text/csv").tolist() == estimator.predict([[7, 8], [9, 1]]).tolist()


def test_it_knows_how_many_columns_it_takes(tmp_path: Path) -> None:
    model = served(tmp_path, LinearRegression().fit(ROWS, TARGET))
    with pytest.raises(RequestError, match=r"^Row 1 has 3 columns; the model takes 2\.$"):
        ask(model, "1,2,3", "text/csv")


def test_an_estimator_fitted_on_names_takes_records_and_rows(tmp_path: Path) -> None:
    estimator = LinearRegression().fit(pd.DataFrame(ROWS, columns=["a", "b"]), TARGET)
    model = served(tmp_path, estimator)
    expected = estimator.predict(pd.DataFrame([[7.0, 8.0]], columns=["a", "b"])).tolist()
    assert numbers(model, '{"b": 8, "a": 7}', "application/json").tolist() == expected
    assert numbers(model, "7,8", "text/csv").tolist() == expected


@pytest.mark.filterwarnings("error")
def test_the_input_has_the_names_that_it_was_fitted_on(tmp_path: Path) -> None:
    """scikit-learn warns when names are missing."""
    estimator = LinearRegression().fit(pd.DataFrame(ROWS, columns=["a", "b"]), TARGET)
    ask(served(tmp_path, estimator), "7,8", "text/csv")


def test_categories_are_text_without_a_manifest(tmp_path: Path) -> None:
    table = pd.DataFrame({"colour": ["red", "blue", "red"], "size": [1.0, 2.0, 3.0]})
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["colour"]), remainder="passthrough")
    model = served(tmp_path, make_pipeline(encoder, LinearRegression()).fit(table, [1.0, 2.0, 3.0]))
    expected = model.loaded.predict(pd.DataFrame({"colour": ["blue"], "size": [2.5]})).tolist()
    assert numbers(model, "blue,2.5", "text/csv").tolist() == expected
    assert numbers(model, '{"size": 2.5, "colour": "blue"}', "application/json").tolist() == expected


def test_a_transformer_transforms(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(ROWS)
    expected = scaler.transform(ROWS[:2]).tolist()
    assert numbers(served(tmp_path, scaler), "0,1\n1,3\n", "text/csv").tolist() == expected


def test_a_classifier_answers_with_its_labels(tmp_path: Path) -> None:
    labels = np.where(TARGET > 2, "high", "low")
    model = served(tmp_path, LogisticRegression().fit(ROWS, labels))
    expected = model.loaded.predict([[7, 0], [0, 9]]).tolist()
    assert ask(model, "7,0\n0,9\n", "text/csv", "text/csv").body.decode().split() == expected


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer(), CountVectorizer()])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"instances": ["very good film", "bad"]}', "application/json"),
        ('{"inputs": ["very good film", "bad"]}', None),
        ('["very good film", "bad"]', "application/json"),
        ('{"text": "very good film"}\n"bad"\n', "application/jsonlines"),
        ('"very good film"\nbad\n', "text/csv"),
    ],
)
def test_a_pipeline_that_begins_with_a_vectorizer_takes_texts(
    tmp_path: Path, vectorizer: Any, body: str, content_type: str | None
) -> None:
    model = served(tmp_path, make_pipeline(vectorizer, LogisticRegression()).fit(TEXTS, MOODS))
    assert ask(model, body, content_type).body == b'["happy", "sad"]'


def test_plain_text_is_one_text(tmp_path: Path) -> None:
    model = served(tmp_path, make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, MOODS))
    assert ask(model, "what a bad,\nbad film\n", "text/plain").body == b'["sad"]'


def test_a_vectorizer_alone_gives_its_matrix(tmp_path: Path) -> None:
    vectorizer = TfidfVectorizer().fit(TEXTS)
    found = numbers(served(tmp_path, vectorizer), '["very good"]', "application/json")
    assert found.tolist() == vectorizer.transform(["very good"]).toarray().tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.json", lambda: bytes(booster().save_raw("json"))),
        ("model.ubj", lambda: bytes(booster().save_raw("ubj"))),
        ("xgboost-model", lambda: bytes(booster().save_raw("ubj"))),
        ("xgboost-model", lambda: bytes(booster().save_raw("json"))),
        ("xgboost-model", lambda: pickle.dumps(booster())),
        ("xgboost-model", lambda: pickle.dumps(booster(), protocol=2)),
        ("booster.pkl", lambda: pickle.dumps(booster())),
    ],
    ids=["json", "ubj", "classic ubj", "classic json", "classic pickle", "old classic pickle", "pickle"],
)
def test_an_xgboost_model_is_served_from_every_file_that_it_is_saved_in(
    tmp_path: Path, name: str, content: Any
) -> None:
    model = load(folder(tmp_path, {name: content()}))
    expected = booster().predict(xgboost.DMatrix(ROWS))
    found = numbers(model, "".join(f"{a},{b}\n" for a, b in ROWS), "text/csv")
    assert (found.dtype, found.tolist()) == (np.float32, expected.tolist())


def test_an_xgboost_model_takes_missing_values(tmp_path: Path) -> None:
    model = load(folder(tmp_path, {"model.ubj": bytes(booster().save_raw("ubj"))}))
    expected = booster().predict(xgboost.DMatrix(np.array([[np.nan, 3.0]])))
    assert numbers(model, ",3\n", "text/csv").tolist() == expected.tolist()
    assert numbers(model, "[[null, 3]]", "application/json").tolist() == expected.tolist()


def test_an_xgboost_model_knows_how_many_columns_it_takes(tmp_path: Path) -> None:
    model = load(folder(tmp_path, {"model.ubj": bytes(booster().save_raw("ubj"))}))
    with pytest.raises(RequestError, match=r"^Row 1 has 1 columns; the model takes 2\.$"):
        ask(model, "1", "text/csv")


def test_an_xgboost_estimator_of_the_scikit_learn_kind_is_served(tmp_path: Path) -> None:
    estimator = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(ROWS, TARGET)
    expected = estimator.predict(ROWS[:1]).tolist()
    assert numbers(served(tmp_path, estimator), "0,1", "text/csv").tolist() == expected


def test_json_that_is_no_model_is_no_candidate(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(ROWS, TARGET), folder(tmp_path, {"labels.json": '{"0": "no"}'}) / "model.joblib")
    assert load(tmp_path).loaded.n_features_in_ == 2


def test_what_scikit_learn_refuses_is_422_without_repeating_it(tmp_path: Path) -> None:
    model = served(tmp_path, LinearRegression().fit(ROWS, TARGET))
    with pytest.raises(RequestError) as caught:
        ask(model, "1,inf", "text/csv")
    message = "The model refused this input; the log has the reason under this request id."
    assert (caught.value.status, caught.value.message) == (422, message)


def test_an_empty_xgboost_file_is_a_message_and_not_a_crash(tmp_path: Path) -> None:
    """In a process of its own: XGBoost's C++ ends the process that gives it no bytes."""
    program = (
        "import sys\nfrom serving.errors import StartError\nfrom serving.loading import load_model\n"
        "from serving.settings import Settings\n"
        "try:\n    load_model(Settings.from_environment({'SM_MODEL_DIR': sys.argv[1]}))\n"
        "except StartError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(folder(tmp_path, {"xgboost-model": b""}))]
    code = Path(serving.__file__).parents[1]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0
    assert str(tmp_path / "xgboost-model") in done.stdout
