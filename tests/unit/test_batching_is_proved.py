"""Batching is on only where the manifest asks for it, and the model's own samples show that nobody's answer changes."""

import json

import numpy as np
import pytest

from builders import MATRIX, folder, load_code, separate_imports
from server import MODELS
from serving.batch_proof import Verdict, judge
from serving.hooks import Hooks
from serving.loading import load_model
from serving.model import Model
from serving.samples import find_samples
from serving.settings import Settings

MANY = 1024
ASKED = '{"serving": {"batching": true}}'


@pytest.fixture(autouse=True)
def _separate_imports():
    with separate_imports():
        yield


class Given:
    """A model whose predictions are the test's."""

    n_features_in_ = 2

    def __init__(self, predict):
        self.predict = predict


def verdict(tmp_path, predict=lambda rows: rows.sum(axis=1), most=MANY, **more):
    folder(tmp_path, {"samples/a.csv": "1,2\n", "samples/b.json": "[[3, 4], [5, 6]]"})
    model = Model(Given(predict), Hooks(), MATRIX, "application/json", tmp_path, **{"batching": True, **more})
    return judge(model, find_samples(tmp_path), most)


def verdict_of_code(tmp_path, code, manifest=ASKED):
    folder(tmp_path, {"manifest.json": manifest, "samples/a.csv": "1,2", "samples/b.csv": "3,4"})
    return judge(load_code(tmp_path, code), find_samples(tmp_path), MANY)


def test_a_model_whose_batched_answers_are_the_same_is_batched(tmp_path):
    assert verdict(tmp_path) == Verdict(True, "the samples' answers are the same")


def test_nobody_is_batched_unasked(tmp_path):
    assert verdict(tmp_path, batching=None) is None
    assert verdict(tmp_path, batching=False) is None


def test_answers_may_differ_in_their_last_digits(tmp_path):
    said = verdict(tmp_path, lambda rows: rows.sum(axis=1) * (1 + 1e-9 * len(rows)))
    assert said == Verdict(True, "the samples' answers are the same, within 1e-06")


@pytest.mark.parametrize(
    "predict",
    [
        lambda rows: rows.sum(axis=1) - rows.mean(),
        lambda rows: rows.sum(axis=1) * (1 + 1e-4 * len(rows)),
        lambda rows: np.sort(rows.sum(axis=1))[::-1],
    ],
    ids=["looks at its neighbours", "differs too much", "changes the order"],
)
def test_a_model_whose_answers_depend_on_the_neighbours_is_not_batched(tmp_path, predict):
    assert verdict(tmp_path, predict) == Verdict(
        False, "the samples are answered differently when they are answered together"
    )


def test_samples_that_are_all_answered_alike_prove_nothing(tmp_path):
    """However many there are: here two, of which each would pass with the other's answer."""
    folder(tmp_path, {"samples/a.csv": "1,2", "samples/b.csv": "2,1"})
    model = Model(Given(lambda rows: rows.sum(axis=1)), Hooks(), MATRIX, "application/json", tmp_path, batching=True)
    assert judge(model, find_samples(tmp_path), MANY) == Verdict(
        False, "no two samples have different answers, so they cannot show whose answer is whose"
    )


def test_a_model_that_does_not_answer_each_row_is_not_batched(tmp_path):
    said = verdict(tmp_path, lambda rows: rows[:1].sum(axis=1) if len(rows) > 2 else rows.sum(axis=1))
    assert said == Verdict(
        False, "the samples cannot be answered together: Inseparable: 3 rows were asked about, and 1 answered"
    )


def test_a_model_that_refuses_the_batch_is_not_batched(tmp_path):
    def predict(rows):
        if len(rows) > 2:
            raise MemoryError("too many")
        return rows.sum(axis=1)

    said = verdict(tmp_path, predict)
    assert not said.together
    assert said.reason.startswith("the samples cannot be answered together: ModelFailed: ")


def test_the_operator_can_forbid_it(tmp_path):
    for most in (0, 1):
        assert verdict(tmp_path, most=most) == Verdict(False, "SERVING_BATCH_ROWS forbids it")


def test_without_samples_nothing_is_proved(tmp_path):
    model = Model(Given(None), Hooks(), MATRIX, "application/json", tmp_path, batching=True)
    assert judge(model, [], MANY) == Verdict(False, "there are no samples/ to prove that answers stay the same")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "def transform_fn(model, body, content_type, accept): return body",
            "transform_fn answers one request at a time",
        ),
        ("def predict_fn(data, model, context): return data", "predict_fn takes the request's context"),
        ("def predict_fn(data, model): yield from data.tolist()", "the model streams its answers"),
        (
            """
def input_fn(body, content_type): return {"body": body}
def predict_fn(data, model): return data
def output_fn(prediction, accept): return str(prediction)
""",
            "the samples cannot be answered together: TypeError: input_fn returns dict, which is not joined",
        ),
    ],
    ids=["transform_fn", "context", "stream", "dict"],
)
def test_what_cannot_be_answered_together_is_not_although_asked_for(tmp_path, code, reason):
    assert verdict_of_code(tmp_path, f"def model_fn(model_dir): return 1\n{code}\n") == Verdict(False, reason)


def test_who_keeps_something_of_a_request_for_its_answer_is_found_out(tmp_path):
    """All requests of a batch are read before the first of them is answered."""
    code = """
kept = []
def model_fn(model_dir): return 1
def input_fn(body, content_type):
    kept[:] = [body]
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return kept[0]
"""
    assert verdict_of_code(tmp_path, code).reason == (
        "the samples are answered differently when they are answered together"
    )


@pytest.mark.parametrize("name", ["abalone", "abalone_featurizer", "abalone_predictor"])
def test_the_examples_would_be_batched_if_they_asked(name, tmp_path):
    folder(tmp_path, {path.name: path.read_bytes() for path in (MODELS / name).iterdir() if path.is_file()})
    folder(tmp_path / "samples", {path.name: path.read_bytes() for path in (MODELS / name / "samples").iterdir()})
    if (code := MODELS / name / "code").is_dir():
        folder(tmp_path / "code", {path.name: path.read_bytes() for path in code.glob("*.py")})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "serving": {"batching": True}}))
    model = load_model(Settings.from_environment({"SM_MODEL_DIR": str(tmp_path)}))
    said = judge(model, find_samples(tmp_path), MANY)
    assert said.together, said
