"""models/review_classifier: its formats are BlazingText's, its program tells what is wrong with its data."""

import argparse
import json
import re
from importlib import util

import pytest

from builders import ask, load, separate_imports
from server import MODELS
from serving.errors import RequestError
from serving.manifest import read_manifest, verify_files
from serving.media_types import JSON, JSON_LINES
from serving.samples import find_samples, replay

FOLDER = MODELS / "review_classifier"
README = (FOLDER / "README.md").read_text()
TEXTS = ["a fine guitar", "it broke"]


@pytest.fixture(scope="module", autouse=True)
def _imports_of_its_own():
    with separate_imports():
        yield


@pytest.fixture(scope="module")
def model(_imports_of_its_own):
    return load(FOLDER)


@pytest.fixture(scope="module")
def program(model):
    spec = util.spec_from_file_location("training_of_reviews", FOLDER / "code" / "train.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own(model, text):
    """The model's own probabilities, by label."""
    return dict(zip(model.loaded.classes_, model.loaded.predict_proba([text])[0], strict=True))


def refusal(model, body, content_type=JSON, accept=None):
    with pytest.raises(RequestError) as error:
        ask(model, body, content_type, accept)
    return error.value.status, error.value.message


def test_the_files_are_those_of_the_manifest_and_the_samples_get_their_answers(model):
    verify_files(read_manifest(FOLDER), FOLDER)
    samples = find_samples(FOLDER)
    assert len(samples) == 3
    assert all(sample.expected for sample in samples)
    replay(model, samples)


def test_json_is_answered_with_the_likeliest_label_of_each_text(model):
    answer = ask(model, json.dumps({"instances": TEXTS}), JSON)
    assert answer.content_type == JSON
    for text, found in zip(TEXTS, json.loads(answer.body), strict=True):
        likeliest = max(own(model, text).items(), key=lambda item: item[1])
        assert (found["label"], found["prob"]) == ([likeliest[0]], [pytest.approx(likeliest[1])])


@pytest.mark.parametrize("k", [2, 5])
def test_k_labels_come_likeliest_first_and_no_more_than_there_are(model, k):
    body = json.dumps({"instances": TEXTS, "configuration": {"k": k}})
    for text, found in zip(TEXTS, json.loads(ask(model, body, JSON).body), strict=True):
        assert found["prob"] == sorted(found["prob"], reverse=True)
        assert dict(zip(found["label"], found["prob"], strict=True)) == pytest.approx(own(model, text))


def test_json_lines_are_answered_line_by_line_each_with_its_own_k(model):
    body = '{"source": "a fine guitar"}\n\n{"source": "it broke", "k": 2}\n'
    answer = ask(model, body, JSON_LINES)
    assert answer.content_type == JSON_LINES
    assert answer.body.endswith(b"\n")
    assert [len(json.loads(line)["label"]) for line in answer.body.splitlines()] == [1, 2]


DOCUMENTS = [json.dumps({"instances": [text]}) for text in TEXTS]
CUT = json.dumps({"instances": TEXTS}, indent=1).split("\n")  # as SplitType Line cuts the document's own sample


def test_a_file_with_a_document_on_each_line_can_be_transformed(model):
    """SplitType Line, AssembleWith Line: with SingleRecord a request has one line, with MultiRecord several."""
    single = [ask(model, document, JSON).body.decode() for document in DOCUMENTS]
    together = ask(model, "\n".join(DOCUMENTS) + "\n\n", JSON).body.decode()
    assert together.split("\n") == single
    assert [json.loads(line)[0]["label"] for line in single]


def test_requests_in_either_format_are_answered_together_as_each_would_be_alone(model):
    """The rows of several requests are predicted in one call, each with its own k and in its own form."""
    sent = [(JSON, "\n".join(DOCUMENTS)), (JSON_LINES, '{"source": "it broke", "k": 2}\n')]
    rows = [model.hooks.input_fn(body if kind == JSON else body.encode(), kind, None) for kind, body in sent]
    answers = model.hooks.predict_fn([*rows[0], *rows[1]], model.loaded, None)
    bodies = [model.hooks.output_fn(part, JSON, None)[0].encode() for part in (answers[:2], answers[2:])]
    assert bodies == [ask(model, body, kind).body for kind, body in sent]


@pytest.mark.parametrize("piece", [*CUT, '"it broke"', "{}", "\n".join(CUT[:3])])
def test_a_piece_of_a_document_that_a_job_has_cut_is_refused_with_what_to_do(model, piece):
    status, message = refusal(model, piece)
    assert status == 400
    assert "SplitType Line makes a request of each line" in message
    assert "write each on one line, or set SplitType to None" in message


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("", JSON, "The body is empty."),
        (b"\xff", JSON_LINES, "The body is not UTF-8"),
        ('{"inputs": ["a"]}', JSON, 'The document is an object whose "instances" is null; expected {"instances":'),
        ('{"instances": "a"}', JSON, 'whose "instances" is a text; expected'),
        ('{"instances": []}', JSON, 'whose "instances" is an empty list; expected'),
        ('{"instances": ["a", 1]}', JSON, 'whose "instances" is a list of other things than texts; expected'),
        ('{"instances": ["a"], "configuration": [2]}', JSON, '"configuration" is a list of other things than texts'),
        ('{"instances": ["a"], "configuration": {"k": 0}}', JSON, "k is a number; expected a whole number, at least 1"),
        ('{"instances": ["a"], "configuration": {"k": true}}', JSON, "k is true or false; expected a whole number"),
        (f"{DOCUMENTS[0]}\n{{}}", JSON, 'Document 2 is an object whose "instances" is null'),
        ("[" * 100_000, JSON, "The body is not a JSON document:"),
        ("\n \n", JSON_LINES, "The body is empty."),
        ("\u3000\x1c\n".encode(), JSON_LINES, "The body is empty."),
        ('{"source": "a"}\nb', JSON_LINES, "Line 2 is not JSON"),
        ('{"source": 3}', JSON_LINES, 'Line 1 has no text: expected {"source": "text"}.'),
        ('{"source": "a", "k": "2"}', JSON_LINES, "Line 1: k is a text; expected a whole number, at least 1."),
    ],
)
def test_a_bad_request_is_400_and_says_what_was_expected(model, body, content_type, expected):
    status, message = refusal(model, body, content_type)
    assert status == 400
    assert expected in message


def test_other_media_types_are_refused(model):
    assert refusal(model, "a", "text/csv") == (
        415,
        "Content-Type 'text/csv' is not supported; send application/json or application/jsonlines.",
    )
    assert refusal(model, DOCUMENTS[0], JSON, "text/csv") == (
        406,
        "Cannot answer in 'text/csv'; a request in application/json is answered in application/json.",
    )


def test_the_readme_says_what_the_model_answers_to_its_request(model):
    request, answer = re.search(r"--data-raw '(.+?)' .*?answers `(.+?)`", README, re.DOTALL).groups()
    assert json.loads(ask(model, request, JSON).body) == [
        {"label": ["__label__1"], "prob": [pytest.approx(json.loads(answer)[0]["prob"][0])]}
    ]


def test_the_readme_reports_a_figure_above_its_baseline_that_follows_from_its_confusion_table():
    rows = re.findall(r"^\| is `__label__\d` \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    (hits, missed), (wrong, found) = (tuple(map(int, row)) for row in rows)
    balanced = (hits / (hits + missed) + found / (wrong + found)) / 2
    reported, baseline = (
        float(re.search(rf"^\| {name} \| ([\d.]+) \|", README, re.MULTILINE)[1])
        for name in ("model", "always `__label__1`")
    )
    assert reported == pytest.approx(balanced, abs=5e-4)
    assert reported > baseline == 0.5


def channel(tmp_path, name, text):
    (tmp_path / name).mkdir()
    (tmp_path / name / "data.txt").write_text(text)
    return {f"SM_CHANNEL_{name.upper()}": str(tmp_path / name)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__label__1 good\nno label here\n", r"data\.txt, line 2: 'no label here' is not a label and a text"),
        ("__label__1\n", r"data\.txt, line 1: '__label__1' is not a label and a text\. Expected: __label__1 some text"),
        ("\n\n", r"The channel 'train' has no lines"),
    ],
)
def test_a_line_that_is_not_labelled_is_named(program, tmp_path, text, expected):
    with pytest.raises(SystemExit, match=expected):
        program.read_channel("train", channel(tmp_path, "train", text))


def test_a_channel_that_is_missing_is_named_with_those_that_there_are(program):
    with pytest.raises(SystemExit, match=r"no channel 'validation'; the job has \[\"train\"\]"):
        program.read_channel("validation", {"SM_CHANNELS": '["train"]'})


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        (["__label__1"], [], r"has one label, __label__1, and nothing to tell it from"),
        (
            ["__label__1", "__label__2"],
            ["__label__3"],
            r"'validation' has labels that 'train' does not have: __label__3",
        ),
    ],
)
def test_labels_that_cannot_be_learned_are_named(program, train, validation, expected):
    with pytest.raises(SystemExit, match=expected):
        program.require_classes(train, validation)


GIVEN = {"word_ngrams": 1, "min_count": 1, "learning_rate": 0.05, "seed": 0, "epochs": 3}
LABELLED = (["warm tone", "it broke"] * 5, ["__label__1", "__label__2"] * 5)


def fitted(program, stop=(), **more):
    given = argparse.Namespace(**{**GIVEN, **more})
    return program.fit(LABELLED, ["__label__1", "__label__2"], given, stop)


def test_words_that_are_all_rare_are_told_with_what_to_lower(program):
    with pytest.raises(SystemExit, match=r"No word of the channel 'train' is used 9 times .* Lower min_count"):
        fitted(program, min_count=9)


def test_a_training_that_is_stopped_keeps_the_epochs_that_there_were(program, capsys):
    stopped = fitted(program, stop=[15])
    assert "stopped after 1 of 3 epochs; the model is kept" in capsys.readouterr().err
    assert stopped["linear"].t_ == len(LABELLED[0]) + 1
    assert list(stopped.predict(["warm tone", "it broke"])) == ["__label__1", "__label__2"]


def test_the_measures_are_lines_for_a_metric_definition(program, capsys):
    program.report(fitted(program), LABELLED, LABELLED[1])
    printed = capsys.readouterr().out
    assert re.findall(r"#validation_accuracy: ([0-9.]+)", printed) == ["1.0000"]
    assert re.findall(r"#majority_balanced_accuracy: ([0-9.]+)", printed) == ["0.5000"]
    assert "__label__1       5       0" in printed


def test_a_hyperparameter_is_a_whole_number_above_0(program):
    for text in ("0", "-1", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number, at least 1"):
            program.positive(text)
