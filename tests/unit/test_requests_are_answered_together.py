"""Requests that are answered together get what they would have got alone, each its own."""

import io
import json
import random

import numpy as np
import pytest

from builders import MATRIX, ask, load, load_code, npy, separate_imports
from server import MODELS
from serving import batching
from serving.errors import BadRequest, ModelFailed, NotAcceptable, RequestError, UnprocessableInput
from serving.hooks import Hooks
from serving.inference import InferenceRequest
from serving.model import Model

MANY = 10_000


@pytest.fixture(autouse=True)
def _separate_imports():
    with separate_imports():
        yield


def answer_together(model, requests, most_rows):
    """Return the outcomes in the order of the requests."""
    answered = [one for step in batching.answer_together(model, requests, most_rows) for one in step]
    assert sorted(place for place, _ in answered) == list(range(len(requests)))
    return [outcome for _, outcome in sorted(answered, key=lambda one: one[0])]


class Counting:
    """A model that adds up rows, and notes how many it is given at a time; what is negative it refuses."""

    n_features_in_ = 2

    def __init__(self):
        self.calls = []

    def predict(self, rows):
        self.calls.append(len(rows))
        if (rows < 0).any():
            raise ValueError("negative")
        return rows.sum(axis=1)


def counting(tmp_path, **more):
    return Model(Counting(), Hooks(), MATRIX, "application/json", tmp_path, **more)


def csv(text, **more):
    return InferenceRequest(text.encode(), "text/csv", **more)


def bodies(outcomes):
    return [outcome.error or outcome.value.body for outcome in outcomes]


def test_the_model_is_called_once(tmp_path):
    model = counting(tmp_path)
    outcomes = answer_together(model, [csv("1,2"), csv("3,4\n5,6"), csv("7,8")], MANY)
    assert bodies(outcomes) == [b"[3.0]", b"[7.0, 11.0]", b"[15.0]"]
    assert model.loaded.calls == [4]


def test_media_types_may_be_mixed_and_each_answer_has_its_own(tmp_path):
    model = counting(tmp_path)
    requests = [
        csv("1,2", accept="text/csv"),
        InferenceRequest(b"[[3, 4]]", "application/json"),
        InferenceRequest(b"[5, 6]\n[7, 8]\n", "application/jsonlines", "application/jsonlines"),
        InferenceRequest(npy(np.array([[9, 10]])), "application/x-npy", "text/csv"),
    ]
    outcomes = answer_together(model, requests, MANY)
    assert bodies(outcomes) == [b"3.0\n", b"[7.0]", b"11.0\n15.0\n", b"19.0\n"]
    assert model.loaded.calls == [5]


def test_after_each_call_of_the_model_the_answers_that_are_there_are_handed_over(tmp_path):
    """So that each call has its own time, and nobody waits for the calls after it."""
    model = counting(tmp_path)
    unreadable = InferenceRequest(b"{", "application/json")
    steps = batching.answer_together(model, [csv("1,2"), unreadable, csv("3,4\n5,6\n7,8"), csv("9,9")], 3)
    assert model.loaded.calls == []
    calls, places = [], []
    for step in steps:
        calls.append(list(model.loaded.calls))
        places.append([place for place, _ in step])
    assert (calls, places) == ([[1], [1, 3], [1, 3, 1]], [[1, 0], [2], [3]])


def test_a_call_that_fails_is_a_step_too(tmp_path):
    """Or the next call would be added to its time."""
    model = counting(tmp_path)
    steps = batching.answer_together(model, [csv("1,2"), csv("-1,2"), csv("3,4"), csv("5,6")], MANY)
    calls = [(list(model.loaded.calls), [place for place, _ in step]) for step in steps]
    assert calls == [
        ([4], []),
        ([4, 2], []),
        ([4, 2, 1], [0]),
        ([4, 2, 1, 1], [1]),
        ([4, 2, 1, 1, 2], [2, 3]),
    ]


def test_one_bad_row_among_128_requests_costs_14_calls(tmp_path):
    for bad in (0, 77, 127):
        model = counting(tmp_path)
        requests = [csv(f"{-1 if number == bad else 1},{number}") for number in range(128)]
        outcomes = answer_together(model, requests, MANY)
        assert [place for place, one in enumerate(outcomes) if one.error] == [bad]
        assert bodies(outcomes[:bad]) == [b"[%d.0]" % (1 + number) for number in range(bad)]
        assert len(model.loaded.calls) == 15


def test_rows_that_do_not_fit_cost_no_call_of_the_model(tmp_path):
    model = counting(tmp_path)
    outcomes = answer_together(model, [csv("1,2"), csv("1,2,3"), csv("3,4"), csv("x,1"), csv("5,6")], MANY)
    assert [outcome.error is not None for outcome in outcomes] == [False, True, False, True, False]
    assert model.loaded.calls == [3]


def test_requests_that_fail_together_and_never_alone_are_all_answered(tmp_path):
    model = load_code(
        tmp_path,
        """
        calls = []
        def model_fn(model_dir): return calls
        def input_fn(body, content_type): return [body]
        def predict_fn(data, model):
            calls.append(len(data))
            if len(data) > 2: raise MemoryError
            return data
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    outcomes = answer_together(model, [csv(letter) for letter in "abcde"], MANY)
    assert bodies(outcomes) == [b"['a']", b"['b']", b"['c']", b"['d']", b"['e']"]
    assert model.loaded == [5, 2, 3, 1, 2]


def test_who_gives_up_while_others_are_asked_again_costs_nothing(tmp_path):
    model, gone = counting(tmp_path), set()
    steps = batching.answer_together(
        model, [csv("-1,2"), csv("1,2"), csv("3,4"), csv("5,6")], MANY, lambda place: place not in gone
    )
    assert next(steps) == []
    gone.update({1, 2, 3})
    assert [place for step in steps for place, _ in step] == [0]
    assert model.loaded.calls == [4, 1]


def test_one_by_one_each_has_a_call_of_its_own_if_it_is_wanted(tmp_path):
    model = counting(tmp_path)
    requests = [csv("1,2"), csv("3,4"), csv("-1,2")]
    steps = list(batching.answer_one_by_one(model, requests, lambda place: place != 0))
    assert [place for step in steps for place, _ in step] == [1, 2]
    assert bodies([steps[0][0][1]]) == [b"[7.0]"]
    assert isinstance(steps[1][0][1].error, UnprocessableInput)
    assert model.loaded.calls == [1, 1]


def test_who_has_given_up_is_not_asked_for_again_one_by_one(tmp_path):
    model = counting(tmp_path)
    requests = [csv("1,2"), csv("-1,2"), csv("3,4")]
    steps = list(batching.answer_together(model, requests, MANY, lambda place: place != 2))
    assert sorted(place for step in steps for place, _ in step) == [0, 1]
    assert model.loaded.calls == [2, 1, 1]


def test_a_request_that_cannot_be_read_costs_its_neighbours_nothing(tmp_path):
    model = counting(tmp_path)
    requests = [csv("1,2"), InferenceRequest(b"{", "application/json"), csv("3,4", accept="image/png"), csv("5,6")]
    good, bad, unacceptable, other = answer_together(model, requests, MANY)
    assert bodies([good, other]) == [b"[3.0]", b"[11.0]"]
    assert isinstance(bad.error, BadRequest)
    assert isinstance(unacceptable.error, NotAcceptable)
    assert model.loaded.calls == [2]


def test_a_row_that_is_refused_fails_its_own_request_and_no_other(tmp_path):
    model = counting(tmp_path)
    first, wide, negative, last = answer_together(model, [csv("1,2"), csv("1,2,3"), csv("-1,2"), csv("x,1\n1,1")], MANY)
    assert bodies([first]) == [b"[3.0]"]
    assert wide.error.message == "Row 1 has 3 columns; the model takes 2."
    assert isinstance(negative.error, UnprocessableInput)
    assert last.error.message.startswith("Row 1, column 1: not a number.")


def test_no_call_has_more_rows_than_the_limit_but_for_a_request_that_has_more_itself(tmp_path):
    model = counting(tmp_path)
    rows = [2, 2, 5, 1, 1, 1, 1]
    outcomes = answer_together(model, [csv("1,1\n" * number) for number in rows], 4)
    assert [body.count(b"2.0") for body in bodies(outcomes)] == rows
    assert model.loaded.calls == [4, 5, 4]


def test_a_body_that_nothing_is_said_of_is_read_as_json_and_the_caller_told(tmp_path):
    outcome, _ = answer_together(counting(tmp_path), [InferenceRequest(b'[["x", 1]]'), csv("1,2")], MANY)
    assert outcome.error.message.endswith("(No Content-Type was sent, so the body was read as JSON.)")


@pytest.mark.parametrize(
    "input_fn",
    [
        "np.loadtxt(io.StringIO(body), delimiter=',', ndmin=2)",
        "pd.read_csv(io.StringIO(body), header=None)",
        "sparse.csr_matrix(np.loadtxt(io.StringIO(body), delimiter=',', ndmin=2))",
        "[line for line in body.splitlines()]",
    ],
    ids=["array", "frame", "sparse", "list"],
)
def test_what_hooks_make_of_a_body_is_joined_too(tmp_path, input_fn):
    model = load_code(
        tmp_path,
        f"""
        import io
        import numpy as np
        import pandas as pd
        from scipy import sparse

        calls = []
        def model_fn(model_dir): return calls
        def input_fn(body, content_type): return {input_fn}
        def predict_fn(data, model):
            rows = data.shape[0] if hasattr(data, "shape") else len(data)
            calls.append(rows)
            return data
        def output_fn(prediction, accept):
            rows = prediction.toarray() if hasattr(prediction, "toarray") else prediction
            return repr(np.asarray(rows).tolist())
        """,
    )
    texts = ["1.0,2.5", "3.0,4.5\n5.0,6.5"]
    alone = [ask(model, text, "text/csv").body for text in texts]
    model.loaded.clear()
    assert bodies(answer_together(model, [csv(text) for text in texts], MANY)) == alone
    assert model.loaded == [3]


def test_inputs_of_different_kinds_are_answered_apart(tmp_path):
    model = load_code(
        tmp_path,
        """
        calls = []
        def model_fn(model_dir): return calls
        def input_fn(body, content_type): return [body] if body.startswith("list") else body
        def predict_fn(data, model):
            calls.append(data)
            return data
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    outcomes = answer_together(model, [csv("list 1"), csv("text 1"), csv("list 2"), csv("text 2")], MANY)
    assert bodies(outcomes) == [b"['list 1']", b"text 1", b"['list 2']", b"text 2"]
    assert model.loaded == [["list 1", "list 2"], "text 1", "text 2"]


def test_a_prediction_with_fewer_rows_is_asked_for_again_one_by_one(tmp_path):
    """A model that answers two requests with one row must not give one of them the other's."""
    model = load_code(
        tmp_path,
        """
        def model_fn(model_dir): return 1
        def input_fn(body, content_type): return [body]
        def predict_fn(data, model): return data[:1]
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    assert bodies(answer_together(model, [csv("a"), csv("b")], MANY)) == [b"['a']", b"['b']"]


def test_a_hook_that_exits_fails_its_own_request(tmp_path):
    model = load_code(
        tmp_path,
        """
        import sys
        def model_fn(model_dir): return 1
        def input_fn(body, content_type): return [body]
        def predict_fn(data, model):
            if "exit" in data: sys.exit(1)
            return data
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    fine, ends = answer_together(model, [csv("a"), csv("exit")], MANY)
    assert bodies([fine]) == [b"['a']"]
    assert isinstance(ends.error, ModelFailed)


@pytest.mark.parametrize("empty", ["[]", '{"instances": []}'])
def test_a_request_without_rows_is_refused_beside_others_as_it_is_alone(tmp_path, empty):
    requests = [csv("1,2"), InferenceRequest(empty.encode(), "application/json")]
    fine, other = answer_together(counting(tmp_path), requests, MANY)
    assert bodies([fine]) == [b"[3.0]"]
    assert other.error.message == "The body holds no rows."


def test_what_a_hook_has_changed_before_it_failed_is_read_anew(tmp_path):
    model = load_code(
        tmp_path,
        """
        import json
        def model_fn(model_dir): return 1
        def input_fn(body, content_type): return json.loads(body)
        def predict_fn(data, model):
            for row in data:
                row["x"] *= 2
            return [row["x"] + 1 / row["y"] for row in data]
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    rows = ('[{"x": 10, "y": 1}]', '[{"x": 10, "y": 0}]')
    fine, fails = answer_together(model, [InferenceRequest(row.encode(), "application/json") for row in rows], MANY)
    assert bodies([fine]) == [b"[21.0]"]
    assert isinstance(fails.error, ModelFailed)


def test_an_answer_that_cannot_be_written_beside_another_is_asked_for_alone(tmp_path):
    """NumPy makes one type of all rows, and there is none for a number beside a None."""
    model = load_code(
        tmp_path,
        """
        import numpy as np
        def model_fn(model_dir): return {"a": 1}
        def input_fn(body, content_type): return [body]
        def predict_fn(data, model): return np.array([model.get(name) for name in data])
        """,
    )
    known, unknown = answer_together(
        model, [csv("a", accept="application/x-npy"), csv("b", accept="application/json")], MANY
    )
    assert np.load(io.BytesIO(known.value.body)).tolist() == [1]
    assert unknown.value.body == b"[null]"


def test_each_request_has_its_own_response_headers(tmp_path):
    model = load_code(
        tmp_path,
        """
        def model_fn(model_dir): return 1
        def input_fn(body, content_type, context):
            context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "read-" + body)
            return [body]
        def predict_fn(data, model): return data
        def output_fn(prediction, accept): return str(prediction)
        """,
    )
    outcomes = answer_together(model, [csv("a"), csv("b")], MANY)
    assert [list(outcome.value.headers.values()) for outcome in outcomes] == [["read-a"], ["read-b"]]


def test_a_stream_is_closed_unread_and_each_request_gets_its_own(tmp_path):
    model = load_code(
        tmp_path,
        """
        closed = []
        def model_fn(model_dir): return closed
        def input_fn(body, content_type): return [body]
        def predict_fn(data, model):
            try:
                yield from data
            finally:
                closed.append(data)
        """,
    )
    outcomes = answer_together(model, [csv("a"), csv("b")], MANY)
    assert [outcome.value.read() for outcome in outcomes] == [b"a", b"b"]
    assert sorted(model.loaded) == [["a"], ["b"]]  # the one for both never began


@pytest.mark.parametrize("name", ["abalone", "abalone_featurizer", "abalone_predictor"])
def test_thousands_of_mixed_requests_get_what_they_would_have_got_alone(name):
    """Types, sizes and bad rows among them, in random batches; the seed is fixed."""
    model = load(MODELS / name)
    chance = random.Random(name)
    requests = [random_request(name, chance) for _ in range(400)]
    alone = [outcome_alone(model, request) for request in requests]
    together = []
    while len(together) < len(requests):
        size = chance.choice([1, 2, 7, 30])
        together += answer_together(model, requests[len(together) :][:size], chance.choice([8, MANY]))
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, RequestError):
            assert (type(one), one.message) == (type(other.error), other.error.message)
        else:
            assert (one.body, one.content_type) == (other.value.body, other.value.content_type)
    assert sum(isinstance(one, RequestError) for one in alone) > 20


def outcome_alone(model, request):
    try:
        return model.transform(request)
    except RequestError as error:
        return error


def random_request(name, chance):
    """Return a request for an abalone model: now and then with a cell missing, or wrong, or one too many."""
    width = 10 if name == "abalone_predictor" else 7
    rows = [[round(chance.random(), 4) for _ in range(width)] for _ in range(chance.choice([1, 1, 1, 2, 9]))]
    if width == 7:
        rows = [[chance.choice(["M", "F", "I"]), *row] for row in rows]
    if chance.random() < 0.1:
        chance.choice(rows)[chance.randrange(1, width)] = chance.choice(["x", "", "nan", 12345])
    if chance.random() < 0.05:
        chance.choice(rows).extend([1, 2, 3])
    accept = chance.choice(["text/csv", "application/json", "application/jsonlines", None])
    return request_for(rows, chance.choice(["csv", "json lines", "instances", "lists"]), accept)


def request_for(rows, form, accept):
    if form == "csv":
        return csv("\n".join(",".join(map(str, row)) for row in rows), accept=accept)
    if form == "json lines":
        return InferenceRequest("\n".join(map(json.dumps, rows)).encode(), "application/jsonlines", accept)
    content = {"instances": rows} if form == "instances" else rows
    return InferenceRequest(json.dumps(content).encode(), "application/json", accept)


def test_who_cannot_be_asked_about_several_says_why(tmp_path):
    predict = "def predict_fn(data, model, context): return data"
    with separate_imports():
        looks = load_code(tmp_path / "looks", f"def model_fn(model_dir): return 1\n{predict}\n")
    assert looks.one_at_a_time == "predict_fn takes the request's context"
    whole = "def transform_fn(model, body, content_type, accept): return body"
    transforms = load_code(tmp_path / "whole", f"def model_fn(model_dir): return 1\n{whole}\n")
    assert transforms.one_at_a_time == "transform_fn answers one request at a time"
    assert counting(tmp_path).one_at_a_time is None
