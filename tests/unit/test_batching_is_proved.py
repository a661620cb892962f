"""Requests are answered together where the model's own samples show, in many batches, that nobody's answer changes."""

import itertools
import os
import signal
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from builders import MATRIX, folder, load, load_code, separate_imports
from server import MODELS
from serving.batch_proof import Verdict, judge, judge_in_fork, judge_in_worker
from serving.hooks import Hooks
from serving.model import Model
from serving.samples import find_samples

# Newer Pythons warn of a fork while native threads live. That is the canary's business.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

MANY = 1024
PATIENCE = 20
SAMPLES = {"samples/a.csv": "1,2\n", "samples/b.json": "[[3, 4], [5, 6]]"}
ASKED = '{"serving": {"batching": true}}'
EXACTLY = Verdict(True, "the samples' answers are exactly the same")


@pytest.fixture(autouse=True)
def _separate_imports():
    with separate_imports():
        yield


class Given:
    """A model whose predictions are the test's."""

    n_features_in_ = 2

    def __init__(self, predict):
        self.predict = predict


def sums(rows):
    return rows.sum(axis=1)


def verdict(tmp_path, predict=sums, most=MANY, samples=SAMPLES, by=judge, seconds=PATIENCE, **more):
    folder(tmp_path, samples)
    model = Model(Given(predict), Hooks(), MATRIX, "application/json", tmp_path, **more)
    return by(model, find_samples(tmp_path), most, seconds)


def verdict_of_code(tmp_path, code, manifest="{}", by=judge, samples=("1,2", "3,4")):
    files = {f"samples/{number}.csv": sample for number, sample in enumerate(samples)}
    folder(tmp_path, {"manifest.json": manifest, **files})
    model = load_code(tmp_path, f"def model_fn(model_dir): return 1\n{code}\n")
    return by(model, find_samples(tmp_path), MANY, PATIENCE)


# -- what the samples show


def test_a_model_whose_batched_answers_are_the_same_is_batched(tmp_path):
    assert verdict(tmp_path) == EXACTLY


def test_answers_may_differ_in_their_last_digits(tmp_path):
    said = verdict(tmp_path, lambda rows: rows.sum(axis=1) * (1 + 1e-9 * len(rows)))
    assert said == Verdict(True, "the samples' answers are the same within 1e-06")


@pytest.mark.parametrize(
    "predict",
    [
        lambda rows: rows.sum(axis=1) - rows.mean(),
        lambda rows: rows.sum(axis=1) * (1 + 1e-4 * len(rows)),
        lambda rows: np.sort(rows.sum(axis=1))[::-1],
        lambda rows: rows.sum(axis=1) if len(rows) < 60 else rows.sum(axis=1)[::-1],
        lambda rows: rows.sum(axis=1) + (rows[0, 0] == 3) * (len(rows) > 2),
        lambda rows: rows.sum(axis=1).astype(int if len(rows) < 3 else float),
    ],
    ids=["neighbours", "too much", "the order", "in large batches", "after one sample", "another type"],
)
def test_a_model_whose_answers_depend_on_the_neighbours_is_not_batched(tmp_path, predict):
    said = verdict(tmp_path, predict)
    assert not said.together
    assert said.reason in {
        "samples/a.csv is answered differently beside others than alone",
        "samples/b.json is answered differently beside others than alone",
    }


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


def test_the_model_is_given_no_more_rows_than_it_will_be(tmp_path):
    given = []
    said = verdict(tmp_path, lambda rows: given.append(len(rows)) or rows.sum(axis=1), most=16)
    assert said == EXACTLY
    assert max(given) == 16


def test_rows_of_a_request_stand_in_many_places_of_a_batch(tmp_path):
    places = set()

    def predict(rows):
        places.update(np.flatnonzero(rows[:, 0] == 3).tolist())
        return rows.sum(axis=1)

    assert verdict(tmp_path, predict) == EXACTLY
    assert len(places) > 20


# -- what they do not show


def test_samples_that_are_all_answered_alike_prove_nothing(tmp_path):
    """However many there are: here three, of which each would pass with the other's answer."""
    samples = {"samples/a.csv": "1,2", "samples/b.csv": "2,1", "samples/c.csv": "1,2\n2,1", "samples/d.json": "[[3,0]]"}
    assert verdict(tmp_path, samples=samples) == Verdict(
        False, "no two samples have different answers, so they cannot show whose answer is whose"
    )


def test_samples_that_are_never_given_to_the_model_together_prove_nothing(tmp_path):
    said = verdict(tmp_path, most=2, samples={"samples/a.csv": "1,2\n1,2", "samples/b.csv": "3,4\n3,4"})
    assert said == Verdict(False, "no two samples that have different answers can be joined")


def test_samples_of_which_only_a_few_fit_into_a_batch_are_tried_in_pairs(tmp_path):
    """Bodies of a megabyte are read one after the other; no more of them would go together."""
    given = []
    samples = {f"samples/{name}.json": f"[[{name}, 1]]{' ' * 1024 * 1024}" for name in (1, 2)}

    def predict(rows):
        given.append(len(rows))
        time.sleep(0.1)  # beside which reading takes no time
        return rows.sum(axis=1)

    assert verdict(tmp_path, predict, samples=samples).together
    assert set(given) == {1, 2}


def test_samples_that_take_too_long_prove_nothing(tmp_path):
    """Pairs may be done in the time, but larger batches would not."""
    for seconds in (0.05, 0.5):
        said = verdict(tmp_path, lambda rows: time.sleep(0.05 * len(rows)) or rows.sum(axis=1), seconds=seconds)
        assert said == Verdict(False, f"the samples take too long to be answered together within {seconds} s")


def test_a_model_whose_answers_change_by_themselves_is_not_compared(tmp_path):
    count = itertools.count()
    said = verdict(tmp_path, lambda rows: rows.sum(axis=1) + next(count))
    assert said == Verdict(False, "answers differ from call to call, as for samples/b.json")


def test_a_model_that_takes_as_long_for_each_row_is_not_batched(tmp_path):
    """All would wait for all, and nothing would be won."""

    def predict(rows):
        time.sleep(0.01 * len(rows))
        return rows.sum(axis=1)

    said = verdict(tmp_path, predict, samples={"samples/a.csv": "1,2", "samples/b.csv": "3,4"})
    assert said == Verdict(False, "64 requests together take longer than one waits, on average, when each has its turn")


def test_without_samples_nothing_is_proved(tmp_path):
    reason = "there are no samples/ to prove that answers stay the same"
    assert verdict(tmp_path, samples={}) == Verdict(False, reason)


@pytest.mark.parametrize(
    ("samples", "doubt"),
    [
        ({}, "there are no samples/ to prove that answers stay the same"),
        (
            {"samples/a.csv": "1,2"},
            "no two samples have different answers, so they cannot show whose answer is whose",
        ),
    ],
    ids=["none", "one"],
)
def test_what_samples_leave_open_the_manifest_decides(tmp_path, samples, doubt):
    said = verdict(tmp_path, samples=samples, batching=True)
    assert said == Verdict(True, f"the manifest asks for it, although {doubt}")


# -- what the manifest cannot decide


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
            "def predict_fn(data, model): return data[::-1]",
            "samples/0.csv is answered differently beside others than alone",
        ),
        (
            """
def input_fn(body, content_type): return {"body": body}
def predict_fn(data, model): return data
def output_fn(prediction, accept): return str(prediction)
""",
            "input_fn returns dict, which is not joined",
        ),
    ],
    ids=["transform_fn", "context", "stream", "order", "dict"],
)
@pytest.mark.parametrize("manifest", ["{}", ASKED], ids=["by default", "asked for"])
def test_what_cannot_be_answered_together_is_not_although_asked_for(tmp_path, code, reason, manifest):
    for by in (judge_in_fork, judge_in_worker):
        with separate_imports():
            said = verdict_of_code(tmp_path, code, manifest, by)
        if manifest == ASKED or by is judge_in_fork:
            assert said == Verdict(False, reason, against_wish=manifest == ASKED)
        assert not said.together


@pytest.mark.parametrize("by", [judge_in_fork, judge_in_worker])
def test_the_manifest_can_forbid_it(tmp_path, by):
    def predict(rows):
        raise AssertionError("nobody is to be asked")

    assert verdict(tmp_path, predict, batching=False, by=by) == Verdict(False, "the manifest forbids it")


@pytest.mark.parametrize("by", [judge_in_fork, judge_in_worker])
@pytest.mark.parametrize("most", [0, 1])
def test_the_operator_can_forbid_it(tmp_path, most, by):
    assert verdict(tmp_path, most=most, batching=True, by=by) == Verdict(False, "SERVING_BATCH_ROWS forbids it")


# -- what hooks leave behind


KEEPS = """
kept = []
def input_fn(body, content_type):
    kept[:] = [body]
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return kept[0]
"""


def test_who_keeps_something_of_a_request_for_its_answer_is_found_out(tmp_path):
    """All requests of a batch are read before the first of them is answered."""
    said = verdict_of_code(tmp_path, KEEPS)
    assert said == Verdict(False, "samples/0.csv is answered differently beside others than alone")


def test_who_keeps_what_no_sample_shows_is_found_out_by_his_code(tmp_path):
    code = """
kept = {}
def input_fn(body, content_type):
    kept["type"] = content_type
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return f"{prediction} {kept['type']}"
"""
    doubt = "a hook leaves something in the global 'kept' for a later one"
    assert verdict_of_code(tmp_path, code) == Verdict(False, doubt)
    with separate_imports():
        asked = verdict_of_code(tmp_path, code, ASKED)
    assert asked == Verdict(True, f"the manifest asks for it, although {doubt}")


def test_who_keeps_the_id_of_a_request_is_found_out(tmp_path):
    code = """
import threading
kept = threading.local()
def remember(context): setattr(kept, "id", context.get_request_id())
def input_fn(body, content_type, context):
    remember(context)
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return f"{prediction} {kept.id}"
"""
    assert verdict_of_code(tmp_path, code).reason == "samples/0.csv is answered differently beside others than alone"


# -- where the trial runs


def test_a_trial_in_a_fork_comes_to_the_same_verdict(tmp_path):
    assert verdict(tmp_path, by=judge_in_fork) == EXACTLY
    assert verdict(tmp_path, lambda rows: rows.sum(axis=1) - rows.mean(), by=judge_in_fork).reason == (
        "samples/a.csv is answered differently beside others than alone"
    )


def test_a_trial_in_a_fork_leaves_no_trace_here(tmp_path):
    given = []
    assert verdict(tmp_path, lambda rows: given.append(rows) or rows.sum(axis=1), by=judge_in_fork).together
    assert given == []


def dies(how):
    def predict(rows):
        if len(rows) > 2:
            how()
        return rows.sum(axis=1)

    return predict


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda: os._exit(3), "answering the samples together ended the process: exit status 3"),
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "answering the samples together ended the process: signal SIGKILL",
        ),
        (lambda: time.sleep(60), "answering the samples together was not done within 1 s"),
    ],
    ids=["ends the process", "is killed", "hangs"],
)
@pytest.mark.parametrize("asked", [None, True])
def test_a_model_that_hangs_or_dies_of_a_batch_is_answered_one_by_one(tmp_path, how, reason, asked):
    said = verdict(tmp_path, dies(how), by=judge_in_fork, seconds=1, batching=asked)
    assert said == Verdict(False, reason, against_wish=bool(asked))


def test_a_long_reason_comes_through_the_pipe_all_the_same(tmp_path):
    def predict(rows):
        if len(rows) > 2:
            raise SystemExit("😀" * 100_000)
        return rows.sum(axis=1)

    class Loud(Given):
        """A model whose error is not that of a hook or a library, but comes through as it is."""

    folder(tmp_path, SAMPLES)
    model = Model(Loud(sums), Hooks(), MATRIX, "application/json", tmp_path)
    object.__setattr__(model, "predict", lambda data, context: predict(data))
    said = judge_in_fork(model, find_samples(tmp_path), MANY, PATIENCE)
    assert said.reason.startswith("the samples cannot be answered together: SystemExit: 😀😀")
    assert len(said.reason) <= 300


def test_where_each_worker_loads_the_model_only_who_asks_for_it_has_it_tried(tmp_path):
    given = []
    predict = lambda rows: given.append(rows) or rows.sum(axis=1)  # noqa: E731
    assert verdict(tmp_path, predict, by=judge_in_worker) == Verdict(
        False, "each worker loads the model, and a trial that hangs there could not be ended"
    )
    assert given == []
    assert verdict(tmp_path, predict, by=judge_in_worker, batching=True) == EXACTLY
    assert given


@pytest.mark.parametrize("name", ["abalone", "abalone_featurizer", "abalone_predictor"])
def test_the_examples_are_batched(name):
    with threadpool_limits(1):  # as in the process that tries it: threads that wait for each other cost time
        assert judge(load(MODELS / name), find_samples(MODELS / name), MANY, PATIENCE) == EXACTLY
