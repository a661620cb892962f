"""Batching is on only where the model's own samples show that nobody's answer changes, and that it is worth it."""

import json

import numpy as np
import pytest

from builders import MATRIX, folder, load, load_code, separate_imports
from fakes import FakeClock
from server import MODELS
from serving.batch_proof import Verdict, judge
from serving.hooks import Hooks
from serving.model import Model
from serving.samples import find_samples

MANY = 1024


@pytest.fixture(autouse=True)
def _separate_imports():
    with separate_imports():
        yield


class Timed:
    """A model whose calls take the seconds that the test says, by the test's clock."""

    n_features_in_ = 2

    def __init__(self, predict, seconds):
        self.clock = FakeClock()
        self.answer = predict
        self.seconds = seconds

    def predict(self, rows):
        self.clock.advance(self.seconds(len(rows)))
        return self.answer(rows)


def verdict(tmp_path, predict=lambda rows: rows.sum(axis=1), seconds=lambda rows: 0.01, most=MANY, **more):
    folder(tmp_path, {"samples/a.csv": "1,2\n", "samples/b.json": "[[3, 4], [5, 6]]"})
    timed = Timed(predict, seconds)
    model = Model(timed, Hooks(), MATRIX, "application/json", tmp_path, **more)
    return judge(model, find_samples(tmp_path), most, timed.clock)


def test_a_model_whose_batched_answers_are_the_same_and_cheaper_is_batched(tmp_path):
    assert verdict(tmp_path) == Verdict(
        True, "the answers are the same: 16 samples take 10.0 ms together, 160.0 ms one by one"
    )


def test_answers_may_differ_in_their_last_digits(tmp_path):
    def predict(rows):
        return rows.sum(axis=1) * (1 + 1e-9 * len(rows))

    said = verdict(tmp_path, predict)
    assert said.together
    assert said.reason.startswith("the answers are the same, within 1e-06: ")


@pytest.mark.parametrize(
    "predict",
    [
        lambda rows: rows.sum(axis=1) - rows.mean(),
        lambda rows: rows.sum(axis=1) * (1 + 1e-4 * len(rows)),
        lambda rows: np.sort(rows.sum(axis=1)),
    ],
    ids=["looks at its neighbours", "differs too much", "changes the order"],
)
def test_a_model_whose_answers_depend_on_the_neighbours_is_not_batched(tmp_path, predict):
    assert verdict(tmp_path, predict) == Verdict(
        False, "the samples are answered differently when they are answered together"
    )


def test_a_model_that_takes_as_long_for_each_row_gains_nothing_by_waiting(tmp_path):
    said = verdict(tmp_path, seconds=lambda rows: 0.01 * rows)
    assert not said.together
    assert said.reason.startswith("it would not be worth it: 16 samples take 240.0 ms together, 240.0 ms one by one")


def test_a_model_that_does_not_answer_each_row_is_not_batched(tmp_path):
    said = verdict(tmp_path, lambda rows: rows[:1].sum(axis=1) if len(rows) > 2 else rows.sum(axis=1))
    assert said == Verdict(
        False, "the samples cannot be answered together: Inseparable: 24 rows were asked about, and 1 answered"
    )


def test_a_model_that_refuses_the_batch_is_not_batched(tmp_path):
    def predict(rows):
        if len(rows) > 2:
            raise MemoryError("too many")
        return rows.sum(axis=1)

    said = verdict(tmp_path, predict)
    assert not said.together
    assert said.reason.startswith("the samples cannot be answered together: ModelFailed: ")


def test_a_slow_model_is_tried_with_fewer_requests_and_a_very_slow_one_not_at_all(tmp_path):
    assert "2 samples take 1000.0 ms together, 2000.0 ms" in verdict(tmp_path, seconds=lambda rows: 1.0).reason
    assert verdict(tmp_path, seconds=lambda rows: 6.0) == Verdict(
        False, "one answer takes 6.0 s: too long to try it at each start"
    )


def test_the_operator_can_forbid_it(tmp_path):
    for most in (0, 1):
        assert verdict(tmp_path, most=most) == Verdict(False, "SERVING_BATCH_ROWS forbids it")


def test_the_model_folder_can_forbid_it_or_have_it_done_without_proof(tmp_path):
    assert verdict(tmp_path, batching=False) == Verdict(False, "the manifest forbids it")
    slow = verdict(tmp_path, seconds=lambda rows: 60.0, batching=True)
    assert slow == Verdict(True, "the manifest asks for it")


def test_the_manifest_says_what_the_model_folder_wants(tmp_path):
    manifest = {"serving": {"batching": False}}
    model = load_code_with(tmp_path, manifest)
    assert model.batching is False


def load_code_with(tmp_path, manifest):
    folder(tmp_path, {"manifest.json": json.dumps(manifest)})
    return load_code(tmp_path, "def model_fn(model_dir): return 1\ndef predict_fn(data, model): return data\n")


def test_what_must_not_be_joined_is_not_forced(tmp_path):
    folder(tmp_path, {"manifest.json": '{"serving": {"batching": true}}', "samples/a.csv": "1,2"})
    model = load_code(
        tmp_path,
        "def model_fn(model_dir): return 1\ndef transform_fn(model, body, content_type, accept): return body\n",
    )
    assert judge(model, find_samples(tmp_path), MANY) == Verdict(False, "transform_fn answers one request at a time")


def test_without_samples_nothing_is_proved(tmp_path):
    model = Model(Timed(None, None), Hooks(), MATRIX, "application/json", tmp_path)
    assert judge(model, [], MANY) == Verdict(False, "there are no samples/ to prove that answers stay the same")


def test_a_model_that_streams_is_not_batched(tmp_path):
    folder(tmp_path, {"samples/a.csv": "1,2"})
    code = "def model_fn(model_dir): return 1\ndef predict_fn(data, model): yield from data.tolist()\n"
    assert judge(load_code(tmp_path, code), find_samples(tmp_path), MANY) == Verdict(
        False, "the model streams its answers"
    )


def test_inputs_that_cannot_be_joined_are_named(tmp_path):
    folder(tmp_path, {"samples/a.csv": "1,2"})
    model = load_code(
        tmp_path,
        """
        def model_fn(model_dir): return 1
        def input_fn(body, content_type): return {"body": body}
        def predict_fn(data, model): return data
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    said = judge(model, find_samples(tmp_path), MANY)
    assert said.reason.endswith("TypeError: input_fn returns dict, which is not joined")


@pytest.mark.parametrize("name", ["abalone", "abalone_featurizer"])
def test_the_examples_that_walk_a_dataframe_are_batched(name):
    model = load(MODELS / name)
    said = judge(model, find_samples(MODELS / name), MANY)
    assert said.together, said
    assert said.reason.startswith("the answers are the same")
