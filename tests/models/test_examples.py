"""The models in models/: they answer over the whole request path what the loaded model itself answers."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost

from builders import ask, from_npy, load, npy, separate_imports
from serving.manifest import read_manifest, verify_files
from serving.media_types import CSV, JSON, JSON_LINES, NPY
from serving.model import Model
from serving.samples import find_samples, replay

MODELS = Path(__file__).parents[2] / "models"
ROWS = 500
MISSING = 0.03  # the share of values that are left out

Row = tuple[Any, ...]

# Where the 1st and the 99th percentile of the abalone data lie, roughly.
ABALONE = {
    "length": (0.2, 0.75),
    "diameter": (0.15, 0.6),
    "height": (0.04, 0.22),
    "whole_weight": (0.05, 2.2),
    "shucked_weight": (0.02, 1.0),
    "viscera_weight": (0.01, 0.5),
    "shell_weight": (0.01, 0.65),
}
SCALED = dict.fromkeys(ABALONE, (-2.5, 2.5))
SEXES = {"sex_F": 0, "sex_I": 1, "sex_M": 2}


def abalones(count: int = ROWS) -> list[Row]:
    """Return *count* shells of sizes that occur, some measurements missing, always the same ones."""
    chance = np.random.default_rng(20)
    return [
        (str(chance.choice(["M", "F", "I"])), *(measured(chance, *span) for span in ABALONE.values()))
        for _ in range(count)
    ]


def measured(chance: np.random.Generator, low: float, high: float) -> float | None:
    """Return a measurement with the four decimals of the data, or None."""
    return None if chance.random() < MISSING else round(float(chance.uniform(low, high)), 4)


def features(count: int = ROWS) -> list[Row]:
    """Return *count* rows as the featurizer writes them: seven scaled numbers and three flags."""
    chance = np.random.default_rng(21)
    return [
        (
            *(None if chance.random() < MISSING else float(chance.uniform(*span)) for span in SCALED.values()),
            *np.eye(3)[chance.integers(3)].tolist(),
        )
        for _ in range(count)
    ]


@dataclass(frozen=True)
class Example:
    """A folder in models/, its rows, and what its model answers without a server."""

    name: str
    columns: Sequence[str]
    rows: Callable[[int], list[Row]]
    own: Callable[[list[Row]], Any]
    answers: Sequence[str] = (CSV, JSON, JSON_LINES, NPY)

    def __str__(self) -> str:
        return self.name


def frame(rows: list[Row]) -> pd.DataFrame:
    """Return *rows* as the abalone models were fitted: a text and seven numbers."""
    table = pd.DataFrame(rows, columns=["sex", *ABALONE])
    return table.astype({"sex": "str"} | dict.fromkeys(ABALONE, "float64"))


def matrix(rows: list[Row]) -> Any:
    return np.array(rows, dtype=np.float64)


def rings(rows: list[Row]) -> Any:
    return joblib.load(MODELS / "abalone" / "model.joblib").predict(frame(rows))


def transformed(rows: list[Row]) -> Any:
    return joblib.load(MODELS / "abalone_featurizer" / "preprocess.joblib").transform(frame(rows))


def boosted(rows: list[Row]) -> Any:
    booster = xgboost.Booster()
    booster.load_model(bytearray((MODELS / "abalone_predictor" / "xgboost-model").read_bytes()))
    return booster.predict(xgboost.DMatrix(matrix(rows)))


EXAMPLES = [
    Example("abalone", ["sex", *ABALONE], abalones, rings),
    Example("abalone_featurizer", ["sex", *ABALONE], abalones, transformed),
    Example("abalone_predictor", [*SCALED, *SEXES], features, boosted, (CSV, JSON)),
]
ELSEWHERE = {
    "movie_sentiment": "models/test_text_examples.py",
    "review_classifier": "training/test_the_review_classifier.py",
    "transformer_sentiment": "models/test_transformer_example.py",
    "turkish_sentiment": "models/test_text_examples.py",
}
SENT = (CSV, JSON, JSON_LINES, NPY)
PATHS = [(example, sent, answered) for example in EXAMPLES for sent in SENT for answered in example.answers]


@cache
def served(name: str) -> Model:
    """Return the model, loaded as the server does."""
    return load(MODELS / name)


@pytest.fixture(scope="module", autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def body_of(rows: list[Row], columns: Sequence[str], media_type: str) -> bytes:
    """Return *rows* as a request body; records in JSON Lines, and a structured array where there is text."""
    if media_type == CSV:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()
    if media_type == JSON:
        return json.dumps({"instances": rows}).encode()
    if media_type == JSON_LINES:
        return "".join(f"{json.dumps(dict(zip(columns, row, strict=True)))}\n" for row in rows).encode()
    if isinstance(rows[0][0], str):
        fields = [("sex", "<U1"), *((name, "<f8") for name in columns[1:])]
        return npy(np.array([tuple(np.nan if cell is None else cell for cell in row) for row in rows], fields))
    return npy(matrix(rows))


def answer_in(body: bytes, media_type: str) -> Any:
    """Return the prediction that *body* spells, as lists of numbers."""
    if media_type == NPY:
        return from_npy(body).tolist()
    if media_type == JSON_LINES:
        return [json.loads(line) for line in body.splitlines()]
    if media_type == JSON:
        content = json.loads(body)
        return content["result"] if isinstance(content, dict) else content
    lines = [[float(cell) for cell in row] for row in csv.reader(body.decode().splitlines())]
    return [row[0] if len(row) == 1 else row for row in lines]


@cache
def own_answers(name: str) -> Any:
    """Return what the model answers without a server, for all rows."""
    example = next(example for example in EXAMPLES if example.name == name)
    return example.own(example.rows(ROWS)).tolist()


def test_every_model_in_the_folder_is_tested() -> None:
    tested = [*(example.name for example in EXAMPLES), *ELSEWHERE]
    assert sorted(path.name for path in MODELS.iterdir() if path.is_dir()) == sorted(tested)
    assert all(name in (MODELS.parent / "tests" / file).read_text() for name, file in ELSEWHERE.items())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_files_are_those_that_the_manifest_describes(example: Example) -> None:
    manifest = read_manifest(MODELS / example.name)
    assert manifest.files
    assert manifest.libraries
    verify_files(manifest, MODELS / example.name)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_manifest_names_the_columns(example: Example) -> None:
    columns = read_manifest(MODELS / example.name).input["columns"]
    assert [column["name"] for column in columns] == list(example.columns)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_samples_get_their_answers(example: Example) -> None:
    samples = find_samples(MODELS / example.name)
    assert len(samples) >= 4
    assert all(sample.expected for sample in samples)
    replay(served(example.name), samples)


@pytest.mark.parametrize(
    ("example", "sent", "answered"),
    PATHS,
    ids=[f"{example}, {sent} to {answered}" for example, sent, answered in PATHS],
)
def test_the_answer_is_the_models_own_to_the_last_digit(example: Example, sent: str, answered: str) -> None:
    body = body_of(example.rows(ROWS), example.columns, sent)
    response = ask(served(example.name), body, sent, answered)
    assert response.content_type == answered
    assert answer_in(response.body, answered) == own_answers(example.name)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
@pytest.mark.parametrize("sent", SENT)
def test_a_batch_is_answered_like_its_rows_one_by_one(example: Example, sent: str) -> None:
    rows = example.rows(25)
    single = [
        answer_in(ask(served(example.name), body_of([row], example.columns, sent), sent, CSV).body, CSV)[0]
        for row in rows
    ]
    np.testing.assert_allclose(single, own_answers(example.name)[:25], rtol=1e-12)


@pytest.mark.parametrize("example", EXAMPLES[:2], ids=str)
def test_the_label_may_be_sent_along(example: Example) -> None:
    rows = [(*row, 9.0) for row in example.rows(10)]
    found = answer_in(ask(served(example.name), body_of(rows, example.columns, CSV), CSV, CSV).body, CSV)
    assert found == own_answers(example.name)[:10]


def test_the_two_halves_of_the_pipeline_fit_together() -> None:
    """The featurizer's CSV goes into the predictor as it is."""
    rows = abalones(20)
    middle = ask(served("abalone_featurizer"), body_of(rows, ["sex", *ABALONE], CSV), CSV).body
    found = answer_in(ask(served("abalone_predictor"), middle, CSV, JSON).body, JSON)
    assert found == boosted(transformed(rows).tolist()).tolist()


def test_the_row_of_the_readme_gets_the_answer_of_the_readme() -> None:
    row = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
    answer = ask(served("abalone"), row, CSV).body.decode().strip()
    assert float(answer) == pytest.approx(7.258125951673891)
    assert f"`{answer}`" in (MODELS / "abalone" / "README.md").read_text()
