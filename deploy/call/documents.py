"""JSON documents that SageMaker would cut into pieces: each has to be on one line where files are split into lines."""

import json
from collections.abc import Iterator
from pathlib import Path

from deploy.call.cutting import JSON, cut_of, known
from deploy.errors import Refused
from deploy.stage.kinds import BatchStage

LONGEST = 100 << 20  # bytes of a line; SageMaker sends none that is longer


def require_on_lines(stage: BatchStage, rows: Path) -> None:
    """Raise `Refused` for a file of JSON whose first line is not a document: the container would get its pieces."""
    if known(stage.batch.content_type) != JSON or cut_of(stage.batch).split != "Line":
        return
    for file in _files(rows):
        if not _is_document(_first_line(file)):
            raise Refused(
                f"{file} is JSON over several lines, and each line would be a request: SageMaker cuts it there.",
                "Write each document on a line of its own: jq --compact-output . FILE",
                'Or send each file as one request: in the stage\'s file, [batch], split = "None".',
            )


def _files(rows: Path) -> Iterator[Path]:
    if rows.is_file():
        yield rows
        return
    for path in sorted(rows.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(rows).parts):
            yield path


def _first_line(file: Path) -> bytes:
    with file.open("rb") as lines:
        return lines.readline(LONGEST)


def _is_document(line: bytes) -> bool:
    """Tell whether it is one; of what is empty, or cannot be read at all, the container has the word."""
    try:
        json.loads(line.strip() or b"{}")
    except UnicodeDecodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return True
