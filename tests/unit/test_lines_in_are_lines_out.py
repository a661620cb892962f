"""
What batch transform needs: the answers to the pieces of a file, one after the other, are the answer to the file.

Everything here goes through a whole model, from the request's bytes to the answer's.
"""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import ECHO, MATRIX, TABLE, TEXT, ask, load_code, separate_imports
from server import MODELS
from serving.errors import ModelFailed
from serving.hooks import Hooks
from serving.loading import load_model
from serving.media_types import CSV, JSON, JSON_LINES, NPY
from serving.model import Model
from serving.schema import InputSchema
from serving.settings import Settings

LINE_ENDS = ("\n", "\r\n")


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


class PerRow:
    """A model whose answer to a row depends on nothing but the row: a number, a text, or several of both."""

    def __init__(self, columns: int) -> None:
        self.columns = columns

    def predict(self, rows: Any) -> list[Any]:
        """Return one prediction for each row."""
        rows = rows.to_numpy().tolist() if hasattr(rows, "to_numpy") else list(rows)
        return [self.answer_to(row) for row in rows]

    def answer_to(self, row: Any) -> Any:
        """Return texts that need quotes, line ends among them, and numbers."""
        word = f'{row!s}, "seen"\nby the model'
        return word if self.columns == 1 else [word, len(word), None][: self.columns]


class Fixed:
    """A model that answers the same, whatever it is asked."""

    def __init__(self, prediction: Any) -> None:
        self.prediction = prediction

    def predict(self, rows: Any) -> Any:
        """Return the prediction."""
        del rows
        return self.prediction


def model_of(loaded: Any, schema: InputSchema = MATRIX) -> Model:
    return Model(loaded, Hooks(), schema, JSON, Path("/model"))


def lines_for(schema: InputSchema, media_type: str, count: int, chance: random.Random) -> list[str]:
    """Return *count* lines that a model with this schema can read, some with missing values and quoted line ends."""
    rows: list[list[Any]] = []
    for _ in range(count):
        number = chance.choice([chance.uniform(-9, 9), chance.randrange(99), None])
        word = chance.choice(["M", "a,b", 'so "called"', "two\nlines", "Größe", ""])
        rows.append({"matrix": [number, 1], "table": [word, number], "text": [word or "x"]}[schema.kind])
    if media_type == JSON_LINES:
        return [json.dumps(row, ensure_ascii=chance.random() < 0.5) for row in rows]
    cells = [['"' + cell.replace('"', '""') + '"' if isinstance(cell, str) else cell for cell in row] for row in rows]
    return [",".join("" if cell is None else str(cell) for cell in row) for row in cells]


@pytest.mark.parametrize("schema", [MATRIX, TABLE, TEXT], ids=lambda schema: schema.kind)
@pytest.mark.parametrize("media_type", [CSV, JSON_LINES])
@pytest.mark.parametrize("accept", [CSV, JSON_LINES])
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_the_answers_to_the_pieces_are_the_answer_to_the_whole(
    schema: InputSchema, media_type: str, accept: str, columns: int
) -> None:
    model, chance = model_of(PerRow(columns), schema), random.Random(f"{schema.kind} {media_type} {accept} {columns}")
    for end, last in itertools.product(LINE_ENDS, (True, False)):
        lines = lines_for(schema, media_type, 12, chance)
        cuts = [0, *sorted(chance.sample(range(1, 12), 3)), 12]
        pieces = [end.join(lines[start:stop]) + end * last for start, stop in itertools.pairwise(cuts)]
        whole = end.join(lines) + end * last
        answers = [ask(model, piece, media_type, accept).body for piece in pieces]
        assert b"".join(answers) == ask(model, whole, media_type, accept).body
        assert all(answer.endswith(b"\n") and not answer.endswith(b"\n\n") for answer in answers)


@pytest.mark.parametrize("media_type", [CSV, JSON_LINES])
@pytest.mark.parametrize("accept", [CSV, JSON_LINES])
@pytest.mark.parametrize("name", ["abalone", "abalone_featurizer"])
def test_the_examples_answer_a_file_as_they_answer_its_lines(name: str, media_type: str, accept: str) -> None:
    model = load_model(Settings.from_environment({"SM_MODEL_DIR": str(MODELS / name)}))
    rows = [["I", 0.365, 0.295, 0.095, 0.25, 0.1075, 0.0545, 0.08], ["M", 0.5, "", 0.1, 0.9, 0.4, 0.2, 0.3]] * 3
    lines = [json.dumps(row) if media_type == JSON_LINES else ",".join(map(str, row)) for row in rows]
    for end in LINE_ENDS:
        one_by_one = [ask(model, line + end, media_type, accept).body for line in lines]
        assert b"".join(one_by_one) == ask(model, end.join(lines), media_type, accept).body
        assert all(answer.count(b"\n") == 1 for answer in one_by_one)


# -- as many rows out as in


@pytest.mark.parametrize("accept", [CSV, JSON_LINES, "application/x-ndjson"])
@pytest.mark.parametrize(
    ("prediction", "found"),
    [([1.5], 1), ([1, 2, 3], 3), ([], 0), (1.5, 1), ("abc", 1), ({"a": [1, 2]}, 1), ([[1, 2]], 1)],
    ids=str,
)
def test_another_number_of_rows_is_never_sent_as_lines(prediction: Any, found: int, accept: str) -> None:
    with pytest.raises(ModelFailed) as caught:
        ask(model_of(Fixed(prediction)), "1,2\n3,4\n", CSV, accept)
    assert (caught.value.status, caught.value.code) == (500, "model_failed")
    assert caught.value.message == f"The model answered 2 row(s) with {found}; each line must answer one row."


def predictions_of_two_rows() -> list[Any]:
    import numpy as np
    import pandas as pd
    from scipy import sparse

    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    return [[1, 2], (1, 2), square, square[0], pd.DataFrame(square), pd.Series([1, 2]), sparse.csr_matrix(square)]


@pytest.mark.parametrize("prediction", predictions_of_two_rows(), ids=lambda prediction: type(prediction).__name__)
@pytest.mark.parametrize("accept", [CSV, JSON_LINES])
def test_rows_are_counted_in_whatever_a_model_returns(prediction: Any, accept: str) -> None:
    assert ask(model_of(Fixed(prediction)), "1,2\n3,4\n", CSV, accept).body.count(b"\n") == 2
    with pytest.raises(ModelFailed, match=r"^The model answered 1 row\(s\) with 2;"):
        ask(model_of(Fixed(prediction)), "1,2\n", CSV, accept)


def test_a_lone_value_answers_a_lone_row() -> None:
    import numpy as np

    for prediction in (1.5, np.float64(1.5), np.array(1.5), {"a": 1}):
        assert ask(model_of(Fixed(prediction)), "1,2\n", CSV, JSON_LINES).body.count(b"\n") == 1


@pytest.mark.parametrize("accept", [JSON, NPY])
def test_a_value_that_has_no_lines_may_have_any_shape(accept: str) -> None:
    assert ask(model_of(Fixed([1, 2, 3])), "1,2\n3,4\n", CSV, accept).body


def test_a_predict_fn_between_the_servers_own_lines_is_held_to_them(tmp_path: Path) -> None:
    model = load_code(tmp_path, f"{ECHO}\ndef predict_fn(data, model):\n    return data[:1]\n")
    with pytest.raises(ModelFailed, match=r"^The model answered 3 row\(s\) with 1;"):
        ask(model, "1\n2\n3\n", CSV, CSV)


@pytest.mark.parametrize(
    "hook",
    [
        "def input_fn(body, content_type):\n    return [1, 2]\n",
        "def output_fn(prediction, accept):\n    return '1\\n2\\n'\n",
    ],
)
def test_with_hooks_of_their_own_the_lines_are_the_authors_business(tmp_path: Path, hook: str) -> None:
    assert ask(load_code(tmp_path, f"{ECHO}\n{hook}"), "1\n", CSV, CSV).body == b"1\n2\n"
