"""How the review classifier is asked: in BlazingText's formats, whatever the caller's Accept lets it answer."""

from typing import Any

from formats import LINE, Answer, Row, classified, rows_in_documents, rows_in_lines, written

from serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType

JSON, JSON_LINES = "application/json", "application/jsonlines"
DOCUMENTS = (JSON, "text/json")
LINES = (JSON_LINES, "application/jsonl", "application/x-ndjson")


def input_fn(input_data: str | bytes, content_type: str) -> list[Row]:
    """Return the texts that are asked about; refuse what is neither JSON nor JSON Lines."""
    if content_type not in (*DOCUMENTS, *LINES):
        raise UnsupportedMediaType(f"Content-Type {content_type!r:.100} is not supported; send {JSON} or {JSON_LINES}.")
    text = text_of(input_data)
    return rows_in_documents(text) if content_type in DOCUMENTS else rows_in_lines(text)


def predict_fn(rows: list[Row], model: Any) -> list[Answer]:
    """Return an answer for each row."""
    return classified(rows, model)


def output_fn(answers: list[Answer], accept: str) -> tuple[str, str]:
    """Answer JSON with JSON and JSON Lines with JSON Lines, as BlazingText does, for callers who take either."""
    own = JSON_LINES if answers[0][1] == LINE else JSON
    if accept not in (*DOCUMENTS, *LINES):
        raise NotAcceptable(f"Cannot answer in {accept!r:.100}; a request in {own} is answered in {own}.")
    return written(answers), own


def text_of(body: str | bytes) -> str:
    """Return the body as text."""
    try:
        text = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}.") from None
    if not text.strip():  # of text, for which more is empty than for bytes
        raise BadRequest("The body is empty.")
    return text
