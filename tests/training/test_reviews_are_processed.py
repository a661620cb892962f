"""`preprocess.py` of the review classifier: which reviews count, what becomes of them, and what is refused."""

import io
import json
import subprocess
import sys
import zipfile
from importlib import util

import pytest

from server import MODELS

SCRIPT = MODELS / "review_classifier" / "preprocess.py"


@pytest.fixture(scope="module")
def preprocess():
    spec = util.spec_from_file_location("preprocess_of_reviews", SCRIPT)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def review(helpful, votes, text):
    return json.dumps({"helpful": [helpful, votes], "reviewText": text}) + "\n"


@pytest.mark.parametrize(
    ("helpful", "votes", "label"),
    [(2, 3, "__label__1"), (1, 1, "__label__1"), (1, 3, "__label__2"), (0, 1, "__label__2")],
)
def test_the_label_is_what_most_voters_said(preprocess, helpful, votes, label):
    assert [each.label for each in preprocess.reviews_in([review(helpful, votes, "Fine.")])] == [label]


@pytest.mark.parametrize(
    ("helpful", "votes", "text"), [(1, 2, "A tie."), (0, 0, "No votes."), (1, 1, ""), (1, 1, " . ... !")]
)
def test_ties_and_texts_without_words_are_dropped(preprocess, helpful, votes, text):
    assert list(preprocess.reviews_in([review(helpful, votes, text)])) == []


def test_sentences_are_what_stands_between_full_stops_and_none_is_empty(preprocess):
    (found,) = preprocess.reviews_in([review(1, 1, "One here.. Two\nlines .  !. Three")])
    assert found.sentences == ("One here", "Two lines", "Three")


def many(count):
    return [review(n % 3, 2, f"First of {n}. Second of {n}. Highly recommended.") for n in range(count)]


def test_four_fifths_of_each_labels_reviews_are_to_train_on(preprocess):
    train, validation = preprocess.split(preprocess.reviews_in(many(300)), 0.2, seed=0)
    first = [sum(line.startswith("__label__1 First") for line in part) for part in (train, validation)]
    second = [sum(line.startswith("__label__2 First") for line in part) for part in (train, validation)]
    assert (first, second) == ([80, 20], [80, 20])


def test_no_review_and_no_sentence_is_on_both_sides(preprocess):
    train, validation = preprocess.split(preprocess.reviews_in(many(300)), 0.2, seed=0)
    texts = [{line.split(" ", 1)[1].lower() for line in part} for part in (train, validation)]
    assert texts[0] & texts[1] == set()
    assert "highly recommended\n" in texts[0]
    numbers = [{text.split()[-1] for text in part if " of " in text} for part in texts]
    assert numbers[0] & numbers[1] == set()


def test_the_same_seed_gives_the_same_split_and_another_one_another(preprocess):
    parts = [preprocess.split(preprocess.reviews_in(many(60)), 0.2, seed) for seed in (0, 0, 1)]
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]


def process(root, name, content):
    path = root / "processing" / "input" / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for inner, text in content.items():
                archive.writestr(inner, text)
    elif content is not None:
        path.write_text(content)
    command = [sys.executable, SCRIPT, name, "--root", root]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_archive_becomes_two_files_and_their_sizes_are_printed(tmp_path):
    done = process(tmp_path, "reviews.json.zip", {"reviews.json": "".join(many(30)), "__MACOSX/._reviews.json": "x"})
    assert (done.returncode, done.stderr) == (0, "")
    output = tmp_path / "processing" / "output"
    lines = [(output / name / f"{name}.txt").read_text().splitlines() for name in ("train", "validation")]
    assert all(line.startswith(("__label__1 ", "__label__2 ")) for part in lines for line in part)
    assert done.stdout.splitlines() == [
        f"{name}: {len(part)} sentences, {first} __label__1, {len(part) - first} __label__2"
        for name, part in zip(("train", "validation"), lines, strict=True)
        for first in [sum(line.startswith("__label__1 ") for line in part)]
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", None, "No data set: looked for"),
        ("a.zip", {"a": "x", "b": "y"}, "holds 2 files: a, b. Put one file of JSON Lines into it."),
        ("a.jsonl", many(1)[0] + "\n{'helpful'", "Line 3 is not a review (JSONDecodeError"),
        ("a.jsonl", '{"helpful": [1, 1]}', "Line 1 is not a review (KeyError: 'reviewText')"),
        ("a.jsonl", '{"helpful": 3, "reviewText": "a"}', "Line 1 is not a review (TypeError"),
        ("a.jsonl", '{"helpful": [Infinity, 1], "reviewText": "a"}', "Line 1 is not a review (OverflowError"),
        ("a.jsonl", "[" * 100_000, "Line 1 is not a review (RecursionError"),
        ("a.jsonl", review(1, 1, "One."), "gives no sentences for validation: it has 1 reviews that count."),
        ("a.zip", {"a": b"\xff\xfe"}, "is neither UTF-8 text nor a sound zip archive of it"),
    ],
)
def test_data_that_cannot_be_read_are_told_to_the_job(tmp_path, name, content, message):
    done = process(tmp_path, name, content)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert message in (tmp_path / "output" / "message").read_text()


def test_an_archive_that_is_damaged_or_encrypted_is_told_to_the_job(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "".join(many(50)))
    sound = packed.getvalue()
    encrypted = bytearray(sound)
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[sound.index(head) + flags] |= 1
    for content in (sound[:60] + bytes(40) + sound[100:], bytes(encrypted)):
        done = process(tmp_path, "a.zip", content)
        assert "is neither UTF-8 text nor a sound zip archive of it" in done.stderr
        assert "a sound zip archive" in (tmp_path / "output" / "message").read_text()


def test_half_an_emoji_ends_no_job(preprocess):
    (found,) = preprocess.reviews_in([review(1, 1, "Fine \ud83d.")])
    assert found.sentences == ("Fine ?",)
