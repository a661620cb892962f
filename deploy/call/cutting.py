"""How a transform job cuts files into requests, and puts files together from the answers: it follows from the types."""

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.stage.kinds import Batch

CSV, JSON, JSON_LINES = "CSV", "JSON", "JSON Lines"
KNOWN: Mapping[str, str] = {
    "text/csv": CSV,
    "application/json": JSON,
    "text/json": JSON,
    "application/jsonlines": JSON_LINES,
    "application/jsonl": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
}


@dataclass(frozen=True)
class Cut:
    """
    How files become requests, and answers files: SplitType, BatchStrategy and AssembleWith.

    A strategy of None leaves it to SageMaker, for whom it means nothing where a file is one request.
    """

    split: str = "None"
    strategy: str | None = None
    assemble: str = "None"


# Many rows in a request; answers that end with a line feed already, each: decision 0018.
ROWS = Cut("Line", "MultiRecord", "None")
# One document in a request: two of them, one after the other, are no JSON. Nor does a JSON answer end its line.
DOCUMENTS = Cut("Line", "SingleRecord", "Line")
# As above, but what answers in lines ends them.
DOCUMENTS_TO_ROWS = Cut("Line", "SingleRecord", "None")
# An array, a picture or whatever else: nobody knows where it could be cut.
WHOLE = Cut()
BY_TYPE: Mapping[tuple[str | None, str | None], Cut] = {
    (CSV, CSV): ROWS,
    (CSV, JSON_LINES): ROWS,
    (JSON_LINES, CSV): ROWS,
    (JSON_LINES, JSON_LINES): ROWS,
    (CSV, JSON): DOCUMENTS,
    (JSON_LINES, JSON): DOCUMENTS,
    (JSON, JSON): DOCUMENTS,
    (JSON, CSV): DOCUMENTS_TO_ROWS,
    (JSON, JSON_LINES): DOCUMENTS_TO_ROWS,
}


def known(media_type: str | None) -> str | None:
    """Return what we call the media type, None if we know nothing of it."""
    return KNOWN.get(plain(media_type))


def plain(media_type: str | None) -> str:
    """Return the media type without parameters, in lower case."""
    return (media_type or "").partition(";")[0].strip().lower()


def accept_of(batch: Batch) -> str | None:
    """Return the answers' media type: the stage's, else that of the requests, None if we do not know it."""
    return batch.accept or (batch.content_type if known(batch.content_type) else None)


def cut_of(batch: Batch) -> Cut:
    """Return how the stage's files are cut: as it says, else as follows from the media types."""
    usual = BY_TYPE.get((known(batch.content_type), known(accept_of(batch))), WHOLE)
    looked_into = bool(batch.join or batch.input_filter or batch.output_filter)  # SageMaker does that line by line
    split = batch.split or ("Line" if looked_into else usual.split)
    return Cut(
        split,
        batch.strategy or (None if split == "None" else usual.strategy),
        batch.assemble or ("Line" if looked_into else "None" if split == "None" else usual.assemble),
    )
