"""
What the model is asked and how it answers.

A review as text gets `{"sentiment": "positive", "probability": 0.93}`. Counts of the vocabulary's words, as CSV, get
the probability that the review is positive, a line for each row.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import orjson
from review_text import clean
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from serving.errors import BadRequest, NotAcceptable, UnprocessableInput, UnsupportedMediaType

JSON = ("application/json", "text/json")
JSON_LINES = ("application/jsonlines", "application/jsonl", "application/x-ndjson")
CSV, TEXT = "text/csv", "text/plain"
COUNTS = "counts"
EXAMPLE = '{"review": "<text>"}'
MOST_CHARACTERS = 100_000


class Asked(NamedTuple):
    """A review or a line of counts, where it was in its request, and that request's form: the answer has the same."""

    text: str
    place: str
    form: str


class Loaded(NamedTuple):
    """What counts words, in the vocabulary's order, and what judges the counts."""

    counter: CountVectorizer
    classifier: Any


def model_fn(model_dir: str) -> Loaded:
    """Load the vocabulary and the classifier."""
    vocabulary = json.loads(Path(model_dir, "vocabulary.json").read_bytes())
    return Loaded(new_counter(vocabulary), joblib.load(Path(model_dir, "classifier.joblib")))


def new_counter(vocabulary: dict[str, int] | None = None, most_words: int | None = None) -> CountVectorizer:
    """Return what counts words and pairs of words, those of *vocabulary*, or the *most_words* it meets most often."""
    return CountVectorizer(preprocessor=clean, ngram_range=(1, 2), vocabulary=vocabulary, max_features=most_words)


def input_fn(input_data: str | bytes, content_type: str) -> list[Asked]:
    """Return the reviews of one request."""
    body = input_data.encode() if isinstance(input_data, str) else input_data
    if content_type == TEXT:
        return [Asked(checked(text_of(body), "The body"), "The body", "object")]
    if content_type == CSV:
        return asked_in_csv(text_of(body))
    if content_type in JSON_LINES:
        return asked_in_lines(body)
    if content_type in JSON:
        return asked_in_json(parsed(body, "The body"))
    known = ", ".join((TEXT, JSON[0], JSON_LINES[0], CSV))
    raise UnsupportedMediaType(f"Content-Type {content_type!r:.100} is not supported; send {known}.")


def predict_fn(asked: list[Asked], model: Loaded) -> list[tuple[float, str]]:
    """Return for each review the probability that it is positive, and the form of its request."""
    counted = np.array([one.form == COUNTS for one in asked])
    probabilities = np.empty(len(asked))
    if not counted.all():
        reviews = [one.text for one in asked if one.form != COUNTS]
        probabilities[~counted] = positive(model, model.counter.transform(reviews))
    if counted.any():
        words = len(model.counter.vocabulary)
        rows = [counts_in(one, words) for one in asked if one.form == COUNTS]
        probabilities[counted] = positive(model, sparse.csr_array(np.array(rows)))
    return [(probability, one.form) for probability, one in zip(probabilities.tolist(), asked, strict=True)]


def output_fn(prediction: list[tuple[float, str]], accept: str, context: Any) -> tuple[bytes, str]:
    """Return one request's answer, and its content type."""
    form = prediction[0][1]
    if form == COUNTS and not is_named(context.get_request_header(0, "accept")):
        accept = CSV
    if accept in (CSV, TEXT):
        return "".join(f"{probability}\n" for probability, _ in prediction).encode(), accept
    answers = [judgement(probability) for probability, _ in prediction]
    if accept in JSON_LINES or (accept in JSON and form == "lines"):
        lines = b"".join(orjson.dumps(answer) + b"\n" for answer in answers)
        return lines, accept if accept in JSON_LINES else JSON_LINES[0]
    if accept in JSON:
        return orjson.dumps(answers[0] if form == "object" else {"predictions": answers}), accept
    known = ", ".join((JSON[0], JSON_LINES[0], TEXT, CSV))
    raise NotAcceptable(f"Cannot answer in {accept!r:.100}; this model answers in {known}.")


def positive(model: Loaded, counts: Any) -> np.ndarray:
    """Return the probability (rows,) that each row of *counts* (rows, words) is of a positive review."""
    return model.classifier.predict_proba(counts)[:, 1]


def judgement(probability: float) -> dict[str, Any]:
    """Return the likelier sentiment and its own probability, at least a half."""
    if probability >= 0.5:
        return {"sentiment": "positive", "probability": probability}
    return {"sentiment": "negative", "probability": 1 - probability}


def is_named(accept: str | None) -> bool:
    """Tell whether an Accept header names a media type; clients send `*/*` unasked."""
    return any(part.strip() and "*" not in part for part in (accept or "").split(","))


def text_of(body: bytes) -> str:
    """Return the text that *body* spells."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8, from byte {error.start} on. Send UTF-8.") from None


def asked_in_csv(text: str) -> list[Asked]:
    """Return the lines that are not empty; what is in them is read when the vocabulary is at hand."""
    lines = [Asked(line, f"Line {number}", COUNTS) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise BadRequest("The body is empty. Send the counts of the vocabulary's words, with commas between them.")
    return lines


def counts_in(asked: Asked, words: int) -> np.ndarray:
    """Return the counts (words,) in a line of CSV."""
    found = asked.text.count(",") + 1
    if found != words:
        raise BadRequest(
            f"{asked.place} has {found} counts; the vocabulary has {words} entries, in the order of the model's "
            "vocabulary.json. Or send the review itself, as text/plain."
        )
    try:
        counts = np.array(asked.text.split(","), dtype=np.float64)
    except ValueError:
        raise BadRequest(
            f"{asked.place} has a cell that is no number. Send counts, with commas between them."
        ) from None
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise BadRequest(f"{asked.place} has a cell that is no count: a count is 0 or more.")
    return counts


def asked_in_lines(body: bytes) -> list[Asked]:
    """Return the review on each line that is not empty."""
    lines = [(f"Line {number}", line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise BadRequest(f"The body is empty. Send {EXAMPLE}, one a line.")
    return [Asked(review_in(parsed(line, place), place), place, "lines") for place, line in lines]


def asked_in_json(content: Any) -> list[Asked]:
    """Return the review of one object, or those of its `instances`."""
    if not isinstance(content, dict) or "instances" not in content:
        return [Asked(review_in(content, "The body"), "The body", "object")]
    if not isinstance(content["instances"], list) or not content["instances"]:
        raise BadRequest(f'"instances" is no list of objects. Send {{"instances": [{EXAMPLE}]}}.')
    places = [f"Instance {number}" for number in range(1, len(content["instances"]) + 1)]
    pairs = zip(content["instances"], places, strict=True)
    return [Asked(review_in(one, place), place, "instances") for one, place in pairs]


def parsed(body: bytes, place: str) -> Any:
    """Return the JSON value that *body* spells."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{place} is not JSON: {error}. Send {EXAMPLE}.") from None


def review_in(content: Any, place: str) -> str:
    """Return the review of one object."""
    if not isinstance(content, dict) or not isinstance(content.get("review"), str):
        raise BadRequest(f'{place} is no object with a text under "review". Send {EXAMPLE}.')
    return checked(content["review"], place)


def checked(review: str, place: str) -> str:
    """Return the review; raise `UnprocessableInput` for none, and for one that is too long to be one."""
    review = review.strip()
    if not review:
        raise UnprocessableInput(f"{place} is an empty review, which has no sentiment.")
    if len(review) > MOST_CHARACTERS:
        raise UnprocessableInput(f"{place} has {len(review)} characters; a review has at most {MOST_CHARACTERS}.")
    return review
