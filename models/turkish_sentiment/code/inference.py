"""
What the model is asked and how it answers.

`{"sentiment": "<text>"}` gets `{"prediction": <0 to 1>}`, and `{"instances": [...]}` of such objects
`{"predictions": [...]}`. Objects on a line each get an answer on a line each.
"""

from typing import Any, NamedTuple

import orjson
from turkish_text import fold

from serving.errors import BadRequest, NotAcceptable, UnprocessableInput, UnsupportedMediaType

JSON = ("application/json", "text/json")
JSON_LINES = ("application/jsonlines", "application/jsonl", "application/x-ndjson")
EXAMPLE = '{"sentiment": "<text>"}'
MOST_CHARACTERS = 20_000  # the longest review that it learnt from has 3,045


class Asked(NamedTuple):
    """A text, and the form of the request that it came in: the answer has the same."""

    text: str
    form: str


def input_fn(input_data: str | bytes, content_type: str) -> list[Asked]:
    """Return the texts of one request."""
    if content_type not in (*JSON, *JSON_LINES):
        raise UnsupportedMediaType(f"Content-Type {content_type!r:.100} is not supported; send {JSON[0]}: {EXAMPLE}.")
    body = input_data.encode() if isinstance(input_data, str) else input_data
    if content_type in JSON_LINES or is_lines(body):
        return asked_in_lines(body)
    content = parsed(body, "The body")
    if isinstance(content, dict) and "instances" in content:
        return asked_in_instances(content["instances"])
    return [Asked(text_in(content, "The body"), "object")]


def predict_fn(asked: list[Asked], model: Any) -> list[tuple[float, str]]:
    """Return for each text the probability that it is positive, and the form of its request."""
    probabilities = model.predict_proba([fold(one.text) for one in asked])[:, 1]
    return [(probability, one.form) for probability, one in zip(probabilities.tolist(), asked, strict=True)]


def output_fn(prediction: list[tuple[float, str]], accept: str) -> tuple[bytes, str]:
    """Return one request's answer, and its content type."""
    if accept not in (*JSON, *JSON_LINES):
        raise NotAcceptable(f"Cannot answer in {accept!r:.100}; this model answers in {JSON[0]} or {JSON_LINES[0]}.")
    answers = [{"prediction": probability} for probability, _ in prediction]
    form = prediction[0][1]
    if form == "lines" or accept in JSON_LINES:
        lines = b"".join(orjson.dumps(answer) + b"\n" for answer in answers)
        return lines, accept if accept in JSON_LINES else JSON_LINES[0]
    return orjson.dumps(answers[0] if form == "object" else {"predictions": answers}), accept


def is_lines(body: bytes) -> bool:
    """Tell objects on a line each, as a batch transform job puts them together, from one document."""
    first, _, rest = body.strip().partition(b"\n")
    return bool(rest) and first.lstrip().startswith(b"{") and first.rstrip().endswith(b"}")


def asked_in_lines(body: bytes) -> list[Asked]:
    """Return the text of each line that is not empty."""
    lines = [(f"Line {number}", line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise BadRequest(f"The body is empty. Send {EXAMPLE}, one a line.")
    return [Asked(text_in(parsed(line, place), place), "lines") for place, line in lines]


def asked_in_instances(instances: Any) -> list[Asked]:
    """Return the text of each of several objects."""
    if not isinstance(instances, list) or not instances:
        raise BadRequest(f'"instances" is no list of objects. Send {{"instances": [{EXAMPLE}]}}.')
    return [Asked(text_in(one, f"Instance {number}"), "instances") for number, one in enumerate(instances, 1)]


def parsed(body: bytes, place: str) -> Any:
    """Return the JSON value that *body* spells."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{place} is not JSON: {error}. Send {EXAMPLE}.") from None


def text_in(content: Any, place: str) -> str:
    """Return the text of one object."""
    if not isinstance(content, dict):
        raise BadRequest(f"{place} is no JSON object. Send {EXAMPLE}.")
    if "sentiment" not in content:
        raise BadRequest(f'{place} has no key "sentiment". Send {EXAMPLE}.')
    text = content["sentiment"]
    if not isinstance(text, str):
        raise BadRequest(f'{place}: "sentiment" is no text. Send {EXAMPLE}.')
    text = text.strip()
    if not text:
        raise UnprocessableInput(f'{place}: "sentiment" is an empty text, which has no sentiment.')
    if len(text) > MOST_CHARACTERS:
        raise UnprocessableInput(
            f'{place}: "sentiment" has {len(text)} characters; a review has {MOST_CHARACTERS} at most.'
        )
    return text
