"""
BlazingText's formats of requests and answers, for text classification.

`application/json` is `{"instances": ["text", ...], "configuration": {"k": 2}}` and is answered with a list;
`application/jsonlines` is `{"source": "text", "k": 2}` on each line and is answered with a line for each.
An answer is `{"label": ["__label__1", ...], "prob": [0.9, ...]}`: the k likeliest labels, one if k is not given.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from serving.errors import BadRequest

ONE_LINE = (
    "A batch transform job with SplitType Line makes a request of each line, so a document of several lines is cut: "
    "write each on one line, or set SplitType to None."
)


# Rows and answers are plain tuples, so that those of several requests can be predicted in one call.
Row = tuple[str, int, int]  # a text, how many labels are wanted, and the number of its document, or LINE
Answer = tuple[dict[str, Any], int]  # labels and probabilities, and the row's last number
LINE = -1


class Classifier(Protocol):
    """What scikit-learn's classifiers have."""

    classes_: Any

    def predict_proba(self, texts: Sequence[str]) -> Any:
        """Return a probability for each text (rows) and each label (columns)."""


def classified(rows: Sequence[Row], model: Classifier) -> list[Answer]:
    """Return the likeliest labels of each row's text, as many as are wanted of it, and their probabilities."""
    answers = []
    shares = np.asarray(model.predict_proba([text for text, _, _ in rows]), dtype=float)
    for share, (_, k, place) in zip(shares, rows, strict=True):
        best = np.argsort(-share, kind="stable")[:k]
        labels = [str(model.classes_[each]) for each in best]
        answers.append(({"label": labels, "prob": [float(share[each]) for each in best]}, place))
    return answers


def written(answers: Sequence[Answer]) -> str:
    """Return the answer's body: a list for each document, or a line for each line."""
    if answers[0][1] == LINE:
        return "".join(f"{json.dumps(answer)}\n" for answer, _ in answers)
    documents = groupby(answers, key=lambda answer: answer[1])
    return "\n".join(json.dumps([answer for answer, _ in group]) for _, group in documents)


def rows_in_documents(body: str) -> list[Row]:
    """Read one JSON document; or several, one on each line, as a batch job with MultiRecord sends them."""
    documents = documents_in(body)
    names = ["The document"] if len(documents) == 1 else [f"Document {number}" for number, _ in enumerate(documents, 1)]
    return [row for place, name in enumerate(names) for row in rows_in_document(documents[place], name, place)]


def documents_in(body: str) -> list[Any]:
    """Return the document that the body is, or those on its lines."""
    try:
        return [parsed(body)]
    except ValueError as error:
        lines = [line for line in body.split("\n") if line.strip()]
        with suppress(ValueError):
            if len(lines) > 1 and all(isinstance(parsed(line), dict) for line in lines):
                return [parsed(line) for line in lines]
        raise BadRequest(f"The body is not a JSON document: {error}. {ONE_LINE}") from None


def parsed(text: str) -> Any:
    """Return what the JSON says; raise `ValueError` for what is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def rows_in_document(document: Any, name: str, place: int) -> list[Row]:
    """Return a row for each text of a document."""
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances or not all(isinstance(text, str) for text in instances):
        found = f'an object whose "instances" is {shown(instances)}' if isinstance(document, dict) else shown(document)
        raise BadRequest(f'{name} is {found}; expected {{"instances": ["text", ...]}}. {cut(document)}'.rstrip())
    configuration = document.get("configuration") or {}
    if not isinstance(configuration, dict):
        raise BadRequest(f'{name}: "configuration" is {shown(configuration)}; expected an object such as {{"k": 2}}.')
    k = number_of(configuration, name)
    return [(text, k, place) for text in instances]


def cut(document: Any) -> str:
    """Return advice for what may be a piece of a document."""
    return "" if isinstance(document, dict) and document else ONE_LINE


def rows_in_lines(body: str) -> list[Row]:
    """Read JSON Lines: a row for each line that is not empty."""
    lines = ((number, line) for number, line in enumerate(body.split("\n"), 1) if line.strip())
    return [row_in(line, f"Line {number}") for number, line in lines]


def row_in(line: str, name: str) -> Row:
    """Return the row of a line."""
    try:
        record = parsed(line)
    except ValueError as error:
        raise BadRequest(f"{name} is not JSON: {error}. {ONE_LINE}") from None
    if not isinstance(record, dict) or not isinstance(record.get("source"), str):
        raise BadRequest(f'{name} has no text: expected {{"source": "text"}}.')
    return record["source"], number_of(record, name), LINE


def number_of(record: dict[str, Any], name: str) -> int:
    """Return k, the number of labels that are wanted."""
    k = record.get("k", 1)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise BadRequest(f"{name}: k is {shown(k)}; expected a whole number, at least 1.")
    return k


def shown(value: Any) -> str:
    """Return what was sent, in words of our own: a caller's text belongs into no message."""
    if isinstance(value, list):
        return "a list of other things than texts" if value else "an empty list"
    return {str: "a text", dict: "an object", bool: "true or false", type(None): "null"}.get(type(value), "a number")
