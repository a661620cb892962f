"""`python -m compiling`: what can be compiled, what is refused and why, and how the two forms are compared."""

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from builders import ask, folder, from_npy, load, separate_imports
from compiling.comparison import Refusals, difference, largest_difference, limit_of
from compiling.known import known_values
from compiling.rows import Perturbed
from server import ROOT
from serving.errors import StartError
from serving.samples import TOLERANCE
from serving.schema import Column, InputSchema

CHANCE = np.random.default_rng(7)
ROWS = 300
NUMBERS = ["length", "weight", "age"]
TEXTS = ["sex", "place"]
COLUMNS = [
    *({"name": name, "type": "string"} for name in TEXTS),
    *({"name": name, "type": "number"} for name in NUMBERS),
]


def table(*, gaps: bool) -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "sex": pd.array(CHANCE.choice(["M", "F", "I"], ROWS), dtype="str"),
            "place": pd.array(CHANCE.choice(["north", "south"], ROWS), dtype="str"),
            "length": CHANCE.normal(0, 1, ROWS),
            "weight": CHANCE.gamma(2, 3, ROWS),
            "age": CHANCE.uniform(-5, 5, ROWS),
        }
    )
    if gaps:
        found.loc[::9, "sex"] = None
        found.loc[::7, "weight"] = np.nan
    return found


WHOLE, GAPS = table(gaps=False), table(gaps=True)
MATRIX = WHOLE[NUMBERS].to_numpy()
TARGET = (WHOLE.length * 2 + np.sin(WHOLE.weight) + (WHOLE.sex == "M") * 3).to_numpy()
WORDS = np.where(np.median(TARGET) < TARGET, "high", "low")
CLASSES = np.digitize(TARGET, np.quantile(TARGET, [0.3, 0.6]))
FILMS = [" ".join(CHANCE.choice(["good", "bad", "very", "film", "Nice", "boring"], 6)) for _ in range(200)]
MOODS = ["happy" if "good" in film else "sad" for film in FILMS]


def columns(texts: Any, numbers: Any = "passthrough") -> ColumnTransformer:
    return ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)])


def unknown_ignored() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


def filled(marker: Any, strategy: str) -> Any:
    filling = {"fill_value": "missing"} if strategy == "constant" else {}
    return make_pipeline(SimpleImputer(missing_values=marker, strategy=strategy, **filling), unknown_ignored())


ON_A_MATRIX = [
    LinearRegression(),
    DecisionTreeRegressor(),
    DecisionTreeRegressor(max_leaf_nodes=2),
    RandomForestRegressor(10),
    GradientBoostingRegressor(n_estimators=20),
    HistGradientBoostingRegressor(max_iter=10),
    MLPRegressor(hidden_layer_sizes=[8], tol=1),
    make_pipeline(MinMaxScaler(), RandomForestRegressor(10)),
]
CLASSIFIERS = [
    LogisticRegression(),
    RidgeClassifier(),
    LinearSVC(),
    SVC(),
    MLPClassifier(hidden_layer_sizes=[8], tol=1),
    DecisionTreeClassifier(),
    RandomForestClassifier(10),
    ExtraTreesClassifier(10, max_depth=4),
    GradientBoostingClassifier(n_estimators=10),
    HistGradientBoostingClassifier(max_iter=5),
    CalibratedClassifierCV(RandomForestClassifier(3), cv=2),
]
ON_A_TABLE = {
    "imputed by pandas' NA": (columns(filled(pd.NA, "constant"), SimpleImputer(strategy="median")), GAPS),
    "imputed by NaN": (columns(filled(np.nan, "most_frequent"), SimpleImputer(strategy="mean")), GAPS),
    "a missing text is a category": (columns(unknown_ignored(), SimpleImputer()), GAPS),
    "unknown texts are refused": (columns(OneHotEncoder(), StandardScaler()), WHOLE),
    "ordinal": (columns(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)), WHOLE),
    "encoded, then imputed": (
        columns(
            make_pipeline(
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
                SimpleImputer(strategy="most_frequent"),
            )
        ),
        WHOLE,
    ),
    "some columns in another order": (
        ColumnTransformer([("a", unknown_ignored(), ["place"]), ("b", StandardScaler(), ["age", "length"])]),
        WHOLE,
    ),
}


def saved(root: Path, model: Any, described: Sequence[dict[str, str]] | None = None) -> Path:
    """Make a model folder of a fitted model."""
    manifest = {"input": {"type": "table", "columns": described}} if described else {}
    folder(root, {"manifest.json": json.dumps(manifest)})
    joblib.dump(model, root / "model.joblib")
    return root


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compiling", *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": "container/code"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def compile_here(root: Path, *arguments: str) -> dict[str, Any]:
    """Compile in this process, which is quicker; return the manifest's entry."""
    from compiling.__main__ import compile_folder, parse

    options = parse([str(root), *arguments])
    compile_folder(root, options.to or root, options)
    return json.loads(((options.to or root) / "manifest.json").read_text())["compiled"]


@pytest.mark.parametrize("model", ON_A_MATRIX, ids=lambda model: str(model)[:50])
def test_regressors_differ_by_less_than_a_billionth(tmp_path: Path, model: Any) -> None:
    entry = compile_here(saved(tmp_path, clone(model).fit(MATRIX, TARGET)), "--rows", "300")
    assert entry["difference"] < 1e-9
    assert entry["output"] == {"dtype": "<f8", "shape": []}


@pytest.mark.parametrize("target", [WORDS, CLASSES], ids=["texts", "numbers"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: str(model)[:50])
def test_classifiers_answer_with_the_same_labels(tmp_path: Path, model: Any, target: Any) -> None:
    fitted = clone(model).fit(MATRIX, target)
    assert compile_here(saved(tmp_path, fitted), "--rows", "300")["difference"] == 0
    served = load(tmp_path)
    assert type(served.loaded).__name__ == "CompiledModel"
    body = json.dumps(MATRIX[:20].tolist())
    assert from_npy(ask(served, body, "application/json", "application/x-npy").body).dtype == target.dtype
    assert json.loads(ask(served, body, "application/json").body) == fitted.predict(MATRIX[:20]).tolist()


@pytest.mark.parametrize(("first", "rows"), ON_A_TABLE.values(), ids=ON_A_TABLE.keys())
@pytest.mark.parametrize("last", [GradientBoostingRegressor(n_estimators=10), Ridge()], ids=["trees", "linear"])
def test_tables_with_texts_and_gaps_are_compiled(tmp_path: Path, first: Any, rows: pd.DataFrame, last: Any) -> None:
    model = make_pipeline(clone(first), clone(last)).fit(rows, TARGET)
    assert compile_here(saved(tmp_path, model, COLUMNS), "--rows", "300")["difference"] < 1e-9


def test_a_transformer_alone_is_compiled(tmp_path: Path) -> None:
    featurizer = columns(unknown_ignored(), StandardScaler()).fit(WHOLE)
    entry = compile_here(saved(tmp_path, featurizer, COLUMNS), "--rows", "100")
    assert (entry["difference"], entry["output"]["shape"]) == (0, [8])


def test_a_table_of_numbers_needs_no_names(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(WHOLE[NUMBERS], WORDS)
    assert compile_here(saved(tmp_path, model, COLUMNS[2:]), "--rows", "100")["difference"] == 0


def test_forests_are_told_where_missing_numbers_go(tmp_path: Path) -> None:
    model = RandomForestRegressor(10).fit(GAPS[NUMBERS].to_numpy(), TARGET)
    entry = compile_here(saved(tmp_path, model), "--rows", "100")
    assert (entry["difference"], entry["refused"]["needed"]) == (0, [])


def test_a_text_classifier_whose_words_are_spelled_out_is_compiled(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(token_pattern="[a-zA-Z]+"), LogisticRegression()).fit(FILMS, MOODS)
    folder(tmp_path, {"samples/films.json": json.dumps(FILMS[:20])})
    assert compile_here(saved(tmp_path, model))["difference"] == 0


REFUSED = {
    "skl2onnx does not know it": (
        TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh),
        "The model has no ONNX form: MissingShapeCalculator: Unable to find a shape calculator",
    ),
    "we do not": (
        make_pipeline(SimpleImputer(add_indicator=True), Ridge()),
        "The model has no ONNX form: NotImplementedError: SimpleImputer(add_indicator=True)",
    ),
    "an empty column": (
        make_pipeline(SimpleImputer(keep_empty_features=False), Ridge()),
        "SimpleImputer with a column of which it saw no value",
    ),
    "boosting from another estimator": (
        GradientBoostingRegressor(n_estimators=2, init=Ridge()),
        "gradient boosting that starts with another estimator (init)",
    ),
    "categories of its own": (
        HistGradientBoostingRegressor(max_iter=5, categorical_features=[2]),
        "histogram gradient boosting that splits categories itself; encode them before it",
    ),
    "ONNX Runtime does not": (SVR(), "model.onnx is not a model that ONNX Runtime"),
}


@pytest.mark.parametrize(("model", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_such_form_is_refused_with_the_reason(tmp_path: Path, model: Any, message: str) -> None:
    rows = np.column_stack([MATRIX[:, 0], MATRIX[:, 1], np.digitize(MATRIX[:, 2], [0])]).astype(float)
    if "saw no value" in message:
        rows[:, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of the empty column
        fitted = clone(model).fit(rows, TARGET)
    with pytest.raises(StartError) as caught:
        compile_here(saved(tmp_path, fitted))
    assert message in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()


def test_a_matrix_of_any_width_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, LinearRegression().fit(MATRIX, TARGET))
    (tmp_path / "manifest.json").write_text('{"input": {"type": "matrix"}}')
    with pytest.raises(StartError, match=r"^Nobody says how many columns the model takes: list them in the input of"):
        compile_here(tmp_path)


def test_an_original_that_refuses_whatever_is_known_needs_a_sample(tmp_path: Path) -> None:
    """The categories of an encoder inside a union are not looked for."""
    model = make_union(OneHotEncoder(sparse_output=False)).fit(WHOLE[TEXTS])
    with pytest.raises(StartError, match=r"^The original refuses every row that is known here, such as .* a sample\.$"):
        compile_here(saved(tmp_path, model, COLUMNS[:2]))
    folder(tmp_path, {"samples/one_row.csv": "M,north\n"})
    assert compile_here(tmp_path)["difference"] == 0


def test_a_forest_with_two_targets_is_refused(tmp_path: Path) -> None:
    model = RandomForestRegressor(2).fit(MATRIX, np.column_stack([TARGET, TARGET]))
    with pytest.raises(StartError, match="a tree or a forest with several targets"):
        compile_here(saved(tmp_path, model))


def test_unknown_categories_that_only_the_original_refuses_are_a_difference(tmp_path: Path) -> None:
    model = make_pipeline(columns(OrdinalEncoder()), Ridge()).fit(WHOLE, TARGET)
    with pytest.raises(StartError, match=r"^Only the original refuses this row: \["):
        compile_here(saved(tmp_path, model, COLUMNS))


def test_words_outside_of_ascii_are_found_to_be_a_difference(tmp_path: Path) -> None:
    """The default pattern of a vectorizer means something else in ONNX."""
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(FILMS, MOODS)
    folder(tmp_path, {"samples/films.json": json.dumps(FILMS[:20])})
    with pytest.raises(
        StartError, match=r"^The compiled form differs from the original by inf, and 1e-06 is tolerated"
    ):
        compile_here(saved(tmp_path, model))


def test_the_command_prints_the_folder_and_says_what_it_found(tmp_path: Path) -> None:
    saved(tmp_path / "mine", LinearRegression().fit(MATRIX, TARGET))
    done = command(tmp_path / "mine", "--to", tmp_path / "theirs", "--rows", "50")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'theirs'}\n")
    assert "model.joblib: LinearRegression of scikit-learn" in done.stderr
    assert "the largest difference is" in done.stderr
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["manifest.json", "model.joblib"]
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == [
        "manifest.json",
        "model.joblib",
        "model.onnx",
    ]


def test_a_refusal_is_one_line_and_a_status(tmp_path: Path) -> None:
    done = command(saved(tmp_path, {"no": "model"}))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"not compiled: {tmp_path}/model.joblib holds builtins.dict, and only scikit-learn's own models can be "
        "compiled. It is served as it is.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "0"], "--rows is 1 or more"),
        (["--tolerance", "0.1"], "--tolerance is between 0 and 1e-06, which is what the samples allow at each start"),
        (["--to", "."], ". is not empty"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_tolerance_that_is_not_kept_is_a_refusal(tmp_path: Path) -> None:
    model = MLPRegressor(hidden_layer_sizes=[8], tol=1).fit(MATRIX, TARGET)
    with pytest.raises(
        StartError, match=r"^The compiled form differs from the original by \S+, and 0 is tolerated: for"
    ):
        compile_here(saved(tmp_path, model), "--tolerance", "0")


def test_columns_of_unknown_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="columns' types are guessed from each request's values: list them"):
        compile_here(saved(tmp_path, LinearRegression().fit(WHOLE[NUMBERS], TARGET)))


def test_hooks_that_a_compiled_model_would_stand_for_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, {"code/inference.py": "def predict_fn(data, model):\n    return data\n"})
    refused = pytest.raises(
        StartError, match=r"inference\.py defines predict_fn: a compiled model cannot stand for these"
    )
    with separate_imports(), refused:
        compile_here(saved(tmp_path, LinearRegression().fit(MATRIX, TARGET)))


def test_a_sample_that_the_compiled_model_does_not_answer_keeps_the_folder_as_it_was(tmp_path: Path) -> None:
    saved(
        folder(tmp_path, {"samples/a.csv": "1,2,3", "samples/a.expected.csv": "12345"}),
        LinearRegression().fit(MATRIX, TARGET),
    )
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(StartError, match=r"answer to its own sample .*a\.csv is not a\.expected\.csv"):
        compile_here(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert not (tmp_path / "model.onnx").exists()


def test_edges_are_pairs_of_neighbours_between_which_the_original_decides() -> None:
    model = DecisionTreeRegressor(max_depth=3).fit(MATRIX, TARGET)
    schema = InputSchema("matrix", width=3)
    values = known_values(model, schema, MATRIX[:20].tolist())
    rows = Perturbed(schema, values, Refusals([], [], [False] * 3, [False] * 3, [])).edges(100, model.predict)
    low, high = np.array(rows[:50]), np.array(rows[50:])
    changed = low != high
    assert changed.sum(axis=1).max() == 1
    assert (np.nextafter(low[changed], high[changed]) == high[changed]).all()
    assert (model.predict(low) != model.predict(high)).sum() > 10


def test_values_that_the_pipeline_learnt_are_among_those_that_are_perturbed() -> None:
    model = make_pipeline(columns(unknown_ignored(), StandardScaler()), Ridge()).fit(WHOLE, TARGET)
    scaler = model[0].named_transformers_["numbers"]
    schema = InputSchema("table", tuple(Column(one["name"], one["type"] == "number") for one in COLUMNS), 5)
    values = known_values(model, schema, [])
    assert values[0] == ["F", "I", "M"]
    assert scaler.mean_[1] in values[3]
    assert scaler.mean_[1] + 3 * scaler.scale_[1] in values[3]


def test_a_difference_is_relative_and_infinite_between_labels() -> None:
    assert difference(np.array([100.0, 0.0]), np.array([100.0001, 0.0])) == pytest.approx(1e-6)
    assert difference(np.array([0.0]), np.array([1e-9])) == pytest.approx(TOLERANCE)
    assert difference(np.array([np.nan, np.inf]), np.array([np.nan, np.inf])) == 0
    assert difference(np.array([np.nan]), np.array([1.0])) == np.inf
    assert difference(np.array(["a"]), np.array(["b"])) == np.inf
    assert difference(np.zeros((2, 1)), np.zeros(2)) == np.inf


def refuse_negative(rows: list[list[float]]) -> Any:
    if any(row[0] < 0 for row in rows):
        raise ValueError
    return np.array([row[0] for row in rows])


def test_a_row_that_only_one_of_two_models_refuses_is_found_among_others() -> None:
    def answers(rows: list[list[float]]) -> Any:
        return np.array([row[0] for row in rows])

    rows = [[1.0], [2.0], [-3.0], [4.0]]
    with pytest.raises(StartError, match=r"^Only the original refuses this row: \[-3\.0\]\.$"):
        largest_difference(refuse_negative, answers, rows)
    with pytest.raises(StartError, match=r"^Only the compiled form refuses this row: \[-3\.0\]\.$"):
        largest_difference(answers, refuse_negative, rows)
    assert largest_difference(refuse_negative, refuse_negative, rows) == 0


def test_labels_may_differ_on_the_border_alone() -> None:
    """Where the original itself changes its mind when a number moves by a trillionth."""

    def above(border: float) -> Any:
        return lambda rows: np.array(["yes" if row[0] > border else "no" for row in rows])

    rows = [[0.5], [1.0], [2.0]]
    assert largest_difference(above(1.0), above(1.0 - 1e-14), rows) == 0
    assert largest_difference(above(1.0), above(1.0 - 1e-7), [[1.0 - 1e-8]]) == np.inf
    assert largest_difference(above(1.0), above(0.9), [*rows, [0.95]]) == np.inf


def test_the_largest_number_that_is_taken_is_found_to_the_bit() -> None:
    assert limit_of(lambda size: size <= 1e39) == 1e39
    assert limit_of(lambda size: True) is None
    assert limit_of(np.isfinite) == np.finfo(np.float64).max
