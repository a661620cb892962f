"""The text models in models/: what their documents promise, and the faults of the documents' own programs."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from builders import ask, load, separate_imports
from server import MODELS, ROOT, HostServer, Server
from serving.batching import answer_together
from serving.errors import RequestError
from serving.inference import InferenceRequest
from serving.manifest import read_manifest, verify_files
from serving.media_types import CSV, JSON, JSON_LINES, TEXT
from serving.model import Model
from serving.samples import find_samples, replay

TURKISH, MOVIE = "turkish_sentiment", "movie_sentiment"
NAMES = [TURKISH, MOVIE]
SOURCE_TEXT = "urunun yeterli kalitede oldugunu dusunmuyorum"  # the document's own request
PRAISE = "Çok güzel bir ürün, hızlı kargo, tavsiye ederim"
FILM = "A wonderful story, and I loved every minute of it."
BORING = "The plot was boring, a waste of time."


@cache
def served(name: str) -> Model:
    """Return the model, loaded as the server does."""
    with separate_imports():
        return load(MODELS / name)


def turkish(body: Any, content_type: str = JSON, accept: str | None = None) -> Any:
    """Return the answer to *body*, which is JSON unless it is text."""
    text = body if isinstance(body, str) else json.dumps(body)
    return json.loads(ask(served(TURKISH), text, content_type, accept).body)


def prediction(text: str) -> float:
    return turkish({"sentiment": text})["prediction"]


def movie(review: str, content_type: str = TEXT, accept: str | None = None) -> Any:
    return json.loads(ask(served(MOVIE), review, content_type, accept).body)


def refusal(name: str, body: str | bytes, content_type: str = JSON, accept: str | None = None) -> tuple[int, str]:
    """Return the status and the message of the error that *body* gets."""
    with pytest.raises(RequestError) as caught:
        ask(served(name), body, content_type, accept)
    return caught.value.status, caught.value.message


# -- both


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_those_that_the_manifest_describes(name: str) -> None:
    manifest = read_manifest(MODELS / name)
    assert manifest.files
    verify_files(manifest, MODELS / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_get_their_answers(name: str) -> None:
    samples = find_samples(MODELS / name)
    assert len(samples) >= 4
    assert all(sample.expected for sample in samples)
    replay(served(name), samples)


@pytest.mark.parametrize("name", NAMES)
def test_the_artifact_is_small(name: str) -> None:
    assert sum((MODELS / name / file).stat().st_size for file in read_manifest(MODELS / name).files) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_readmes_figures_fit_together_and_beat_the_baseline(name: str) -> None:
    readme = (MODELS / name / "README.md").read_text()
    accuracy, baseline = (
        float(re.search(rf"\| {row} \| (0\.\d+)", readme)[1]) for row in ("model", "the larger class")
    )
    table = [list(map(int, row)) for row in re.findall(r"\| is (?:negative|positive) \| (\d+) \| (\d+) \|", readme)]
    (negative, missed), (overlooked, positive) = table
    every = negative + missed + overlooked + positive
    assert round((negative + positive) / every, 3) == accuracy
    assert round(max(negative + missed, overlooked + positive) / every, 3) == baseline
    assert accuracy > baseline + 0.2


@pytest.mark.parametrize("name", NAMES)
def test_requests_that_are_answered_together_are_answered_as_alone(name: str) -> None:
    sent = [sample.to_request() for sample in find_samples(MODELS / name)]
    wrong = InferenceRequest(b"{}", JSON)
    requested = [*sent, wrong, *reversed(sent), wrong]
    together = dict(pair for answered in answer_together(served(name), requested, 1024) for pair in answered)
    for place, request in enumerate(requested):
        if request is wrong:
            assert together[place].error.status == 400
        else:
            assert together[place].value == served(name).transform(request)


# -- the Turkish model


def test_a_review_gets_a_number_from_0_to_1_which_is_low_for_a_bad_one() -> None:
    answer = turkish({"sentiment": SOURCE_TEXT})
    assert set(answer) == {"prediction"}
    assert 0 <= answer["prediction"] < 0.5
    assert 0.9 < prediction(PRAISE) <= 1


@pytest.mark.parametrize(
    ("proper", "plain"),
    [
        ("Ürünün yeterli kalitede olduğunu düşünmüyorum", SOURCE_TEXT),
        (PRAISE, "Cok guzel bir urun, hizli kargo, tavsiye ederim"),
        ("SAKIN ALMAYIN, İKİ GÜNDE KIRILDI", "sakin almayin, iki gunde kirildi"),
        ("kâğıt gibi ince", "kagit gibi ince"),
    ],
)
def test_letters_without_their_dots_and_capitals_change_nothing(proper: str, plain: str) -> None:
    spellings = [proper, plain, plain.upper(), unicodedata.normalize("NFD", proper)]
    assert len({prediction(spelling) for spelling in spellings}) == 1


TURKISH_FAULTS = [
    ("{", 400, "The body is not JSON: unexpected end of data: line 1 column 2"),
    ("", 400, "The body is not JSON: "),
    ("[" * 100_000, 400, "The body is not JSON: "),
    ("{}", 400, 'The body has no key "sentiment".'),
    ('{"text": "iyi"}', 400, 'The body has no key "sentiment".'),
    ('"iyi"', 400, "The body is no JSON object."),
    ('{"sentiment": 5}', 400, 'The body: "sentiment" is no text.'),
    ('{"sentiment": null}', 400, 'The body: "sentiment" is no text.'),
    ('{"sentiment": ["iyi"]}', 400, 'The body: "sentiment" is no text.'),
    ('{"sentiment": " \\n"}', 422, 'The body: "sentiment" is an empty text, which has no sentiment.'),
    (json.dumps({"sentiment": "a" * 20_001}), 422, "has 20001 characters; a review has 20000 at most."),
    ('{"instances": []}', 400, '"instances" is no list of objects.'),
    ('{"instances": {"sentiment": "iyi"}}', 400, '"instances" is no list of objects.'),
    ('{"instances": [{"sentiment": "iyi"}, {}]}', 400, 'Instance 2 has no key "sentiment".'),
    ('{"sentiment": "iyi"}\n\n{"sentiment"}', 400, "Line 3 is not JSON: "),
]


@pytest.mark.parametrize(("body", "status", "message"), TURKISH_FAULTS, ids=[body[:40] for body, *_ in TURKISH_FAULTS])
def test_what_cannot_be_read_is_the_callers_fault_and_told(body: str, status: int, message: str) -> None:
    found = refusal(TURKISH, body)
    assert found[0] == status
    assert message in found[1]
    assert status == 422 or '{"sentiment": "<text>"}' in found[1]


def test_other_media_types_are_refused_by_name() -> None:
    assert refusal(TURKISH, "iyi", TEXT)[0] == 415
    assert "'text/plain' is not supported; send application/json" in refusal(TURKISH, "iyi", TEXT)[1]
    body = json.dumps({"sentiment": "iyi"})
    assert refusal(TURKISH, body, JSON, "image/png") == (
        406,
        "Cannot answer in 'image/png'; this model answers in application/json or application/jsonlines.",
    )
    assert refusal(TURKISH, " \n", JSON_LINES)[1].startswith("The body is empty.")


def test_several_reviews_may_be_sent_at_once() -> None:
    asked = [{"sentiment": text} for text in (SOURCE_TEXT, PRAISE)]
    assert turkish({"instances": asked}) == {"predictions": [turkish(one) for one in asked]}
    assert turkish({"instances": asked[:1]}) == {"predictions": [turkish(asked[0])]}


@pytest.mark.parametrize("content_type", [JSON, JSON_LINES])
def test_a_line_in_is_a_line_out_whatever_the_job_calls_it(content_type: str) -> None:
    texts = (SOURCE_TEXT, PRAISE, SOURCE_TEXT)
    body = "".join(json.dumps({"sentiment": text}) + "\n" for text in texts)
    response = ask(served(TURKISH), body, content_type)
    assert response.content_type == JSON_LINES
    assert response.body.endswith(b"\n")
    assert [json.loads(line)["prediction"] for line in response.body.splitlines()] == [prediction(one) for one in texts]


def test_a_document_on_several_lines_is_one_document() -> None:
    assert turkish(json.dumps({"sentiment": PRAISE}, indent=2)) == {"prediction": prediction(PRAISE)}


# -- the movie model


def test_a_review_as_it_was_typed_gets_its_sentiment() -> None:
    good, bad = movie(FILM), movie(BORING)
    assert (good["sentiment"], bad["sentiment"]) == ("positive", "negative")
    assert all(0.5 <= one["probability"] <= 1 for one in (good, bad))
    assert set(good) == {"sentiment", "probability"}


def test_a_review_in_json_gets_the_same() -> None:
    assert movie(json.dumps({"review": FILM}), JSON) == movie(FILM)
    several = json.dumps({"instances": [{"review": FILM}, {"review": BORING}]})
    assert movie(several, JSON) == {"predictions": [movie(FILM), movie(BORING)]}
    lines = "".join(json.dumps({"review": review}) + "\n" for review in (FILM, BORING))
    answer = ask(served(MOVIE), lines, JSON_LINES)
    assert [json.loads(line) for line in answer.body.splitlines()] == [movie(FILM), movie(BORING)]


def test_who_asks_for_text_gets_the_number_alone() -> None:
    for review in (FILM, BORING):
        number, said = movie(review, accept=TEXT), movie(review)
        assert ("positive" if number >= 0.5 else "negative") == said["sentiment"]
        assert max(number, 1 - number) == said["probability"]


def test_capitals_punctuation_and_line_breaks_in_html_change_nothing() -> None:
    plain = "dont waste your time this film is not good at all"
    typed = "Don’t WASTE your-time: this film (is) not<br /><br />good/at all..."
    assert movie(typed) == movie(plain)


def test_empty_space_around_a_review_is_no_part_of_it() -> None:
    assert movie(f"\n{FILM}{' ' * 200_000}") == movie(FILM)
    assert prediction(f"\t{PRAISE}{' ' * 30_000}") == prediction(PRAISE)


@pytest.mark.parametrize(("said", "denied"), [("I liked it", "I did not like it"), ("It is good", "It is not good")])
def test_a_negation_changes_the_sentiment(said: str, denied: str) -> None:
    assert (movie(said)["sentiment"], movie(denied)["sentiment"]) == ("positive", "negative")


def bag(review: str) -> list[int]:
    """Count words and pairs of words as a client would, who has nothing of the model but its vocabulary."""
    vocabulary = json.loads((MODELS / MOVIE / "vocabulary.json").read_text())
    words = re.findall(r"\w\w+", review.lower())
    counts = Counter([*words, *map(" ".join, pairwise(words))])
    return [counts[word] for word in sorted(vocabulary, key=vocabulary.get)]


@pytest.mark.parametrize("review", [FILM, BORING])
def test_counts_in_the_vocabularys_order_get_the_reviews_own_number(review: str) -> None:
    body = ",".join(map(str, bag(review)))
    answer = ask(served(MOVIE), body, CSV)
    assert answer.content_type == CSV
    assert float(answer.body) == movie(review, accept=TEXT)
    assert ask(served(MOVIE), body.replace(",", ".0,"), CSV).body == answer.body


def test_each_line_of_counts_gets_a_number() -> None:
    body = "\n".join(",".join(map(str, bag(review))) for review in (FILM, BORING))
    numbers = [movie(review, accept=TEXT) for review in (FILM, BORING)]
    assert list(map(float, ask(served(MOVIE), body, CSV).body.split())) == numbers
    chosen = ask(served(MOVIE), body, CSV, JSON, headers={"Accept": JSON})
    assert json.loads(chosen.body) == {"predictions": [movie(FILM), movie(BORING)]}


ZEROS = ",0" * 4999
MOVIE_FAULTS = [
    (b"1,2,3", CSV, 400, "Line 1 has 3 counts; the vocabulary has 5000 entries, in the order of the model's"),
    (b"0" + ZEROS.encode() + b"\n0", CSV, 400, "Line 2 has 1 counts; the vocabulary has 5000 entries"),
    (b"good" + ZEROS.encode(), CSV, 400, "Line 1 has a cell that is no number."),
    (b"-1" + ZEROS.encode(), CSV, 400, "Line 1 has a cell that is no count: a count is 0 or more."),
    (b"nan" + ZEROS.encode(), CSV, 400, "Line 1 has a cell that is no count: a count is 0 or more."),
    (b"", CSV, 400, "The body is empty."),
    (b"", TEXT, 422, "The body is an empty review, which has no sentiment."),
    (b"a" * 100_001, TEXT, 422, "The body has 100001 characters; a review has at most 100000."),
    (b"caf\xe9", TEXT, 400, "The body is not UTF-8, from byte 3 on."),
    (b"{", JSON, 400, "The body is not JSON: "),
    (b'{"text": "good"}', JSON, 400, 'The body is no object with a text under "review".'),
    (b'{"instances": 1}', JSON, 400, '"instances" is no list of objects.'),
    (b'{"review": "good"}\n{}', JSON_LINES, 400, 'Line 2 is no object with a text under "review".'),
    (b"\n", JSON_LINES, 400, "The body is empty."),
    (b"good", "image/png", 415, "Content-Type 'image/png' is not supported; send text/plain, application/json"),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"), MOVIE_FAULTS, ids=[message[:40] for *_, message in MOVIE_FAULTS]
)
def test_what_is_no_review_is_the_callers_fault(body: bytes, content_type: str, status: int, message: str) -> None:
    found = refusal(MOVIE, body, content_type)
    assert found[0] == status
    assert message in found[1]


def test_a_movie_answer_in_an_unknown_type_is_refused() -> None:
    known = "application/json, application/jsonlines, text/plain, text/csv"
    expected = f"Cannot answer in 'image/png'; this model answers in {known}."
    assert refusal(MOVIE, FILM, TEXT, "image/png") == (406, expected)


# -- over HTTP


@pytest.fixture(scope="module")
def turkish_server() -> Iterator[Server]:
    with closing(HostServer(MODELS / TURKISH, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def movie_server() -> Iterator[Server]:
    with closing(HostServer(MODELS / MOVIE, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})) as server:
        server.wait_until_ready()
        yield server


@pytest.mark.nginx
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_documents_request_is_answered_in_json_posted_or_put(turkish_server: Server, method: str) -> None:
    url, body = f"{turkish_server.url}/invocations", {"sentiment": SOURCE_TEXT}
    answer = requests.request(method, url, json=body, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"prediction": pytest.approx(prediction(SOURCE_TEXT))}


@pytest.mark.nginx
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", ["{", "{}", '{"sentiment": 5}', '{"sentiment": ""}', ""])
def test_no_bad_request_is_a_500_or_html(turkish_server: Server, method: str, body: str) -> None:
    url, headers = f"{turkish_server.url}/invocations", {"Content-Type": JSON}
    answer = requests.request(method, url, data=body, headers=headers, timeout=60)
    assert 400 <= answer.status_code < 500
    assert answer.headers["Content-Type"] == JSON
    assert set(answer.json()["error"]) == {"code", "message", "request_id"}


@pytest.mark.nginx
def test_the_turkish_model_answers_several_requests_in_one_call(turkish_server: Server) -> None:
    assert turkish_server.logged("batching is on")


@pytest.mark.nginx
def test_the_movie_model_answers_several_requests_in_one_call(movie_server: Server) -> None:
    assert movie_server.logged("batching is on")


@pytest.mark.nginx
def test_a_review_over_http_is_answered_in_json_unless_text_is_asked_for(movie_server: Server) -> None:
    answer = movie_server.invoke(FILM, "text/plain; charset=utf-8")
    assert (answer.headers["Content-Type"], answer.json()["sentiment"]) == (JSON, "positive")
    number = movie_server.invoke(FILM, TEXT, Accept=TEXT)
    assert number.headers["Content-Type"] == TEXT
    assert float(number.text) == pytest.approx(answer.json()["probability"])


@pytest.mark.nginx
@pytest.mark.parametrize("accept", [{}, {"Accept": "*/*"}, {"Accept": CSV}])
def test_the_lectures_counts_over_http_get_a_number_as_text(movie_server: Server, accept: dict[str, str]) -> None:
    answer = movie_server.invoke(",".join(map(str, bag(BORING))).encode(), CSV, **accept)
    assert answer.headers["Content-Type"] == CSV
    assert round(float(answer.text)) == 0


# -- training


def trained(name: str, to: Path, *options: str) -> str:
    """Train in a copy of the folder that has the programs alone; return what was printed."""
    shutil.copytree(MODELS / name / "code", to / "code", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(MODELS / name / "train.py", to)
    done = subprocess.run(
        [sys.executable, str(to / "train.py"), *options],
        env={"PYTHONPATH": f"{ROOT / 'container' / 'code'}:{to / 'code'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(words: tuple[str, ...], ends: tuple[str, ...]) -> list[str]:
    return [f"{word} {end} {number}" for word in words for end in ends for number in range(5)]


def replayed(folder: Path) -> None:
    """Load what was trained, and compare its answers with those that were written beside it."""
    with separate_imports():
        replay(load(folder), find_samples(folder))


def test_the_turkish_training_program_makes_a_folder_that_is_served(tmp_path: Path) -> None:
    things = ("ürün", "kargo", "kutu", "renk")
    rows = [f"{text},positive" for text in told(things, ("çok güzel", "harika", "tavsiye ederim"))]
    rows += [f"{text},negative" for text in told(things, ("çok kötü", "berbat", "sakın almayın"))]
    rows += [f"{text},neutral" for text in told(things, ("idare eder",))]
    data = tmp_path / "reviews.csv"
    data.write_text("text,label\n" + "\n".join([*rows, rows[0], "kutu geldi,positive", "Kutu geldi,negative"]) + "\n")
    printed = trained(TURKISH, tmp_path / "model", "--data", str(data))
    assert "accuracy 1.000" in printed
    # A text that is there twice counts once, and one with two labels not at all: 140 in all.
    assert "96 reviews to train on, 24 held out; beside these 4 neutral ones" in printed
    replayed(tmp_path / "model")


def test_the_movie_training_program_makes_a_folder_that_is_served(tmp_path: Path) -> None:
    things = ("the film", "the food", "this phone", "the acting")
    good, bad = told(things, ("is great", "was lovely")), told(things, ("is not good", "was awful"))
    sentences, reviews = tmp_path / "sentences.tsv", tmp_path / "reviews.jsonl"
    sentences.write_text("".join(f"{text}\t1\n" for text in good) + "".join(f"{text}\t0\n" for text in bad))
    stars = [(5, "lovely strings"), (1, "awful strings"), (3, "strings")]
    told_of = [
        {"overall": star, "reviewText": f"{text} {n}", "summary": text} for n in range(600) for star, text in stars
    ]
    reviews.write_text("".join(f"{json.dumps(one)}\n" for one in told_of))
    printed = trained(MOVIE, tmp_path / "model", "--sentences", str(sentences), "--reviews", str(reviews))
    assert "64 sentences and 2400 texts of reviews to train on, 16 sentences held out" in printed
    replayed(tmp_path / "model")
