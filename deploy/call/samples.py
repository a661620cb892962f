"""The request to send: a file's, or the sample that lies in the stage's model folder."""

from collections.abc import Mapping
from pathlib import Path

from deploy.call.calling import Request
from deploy.errors import Refused
from deploy.stage.kinds import Stage, containers_of
from deploy.stage.new import model_folder

# As in local_test/lib.sh.
TYPES: Mapping[str, str] = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".txt": "text/plain",
}


def request_of(
    stage: Stage, body: Path | None = None, content_type: str | None = None, accept: str | None = None
) -> Request:
    """Return the request in a file, or the sample of the stage's model; raise `Refused` if there is neither."""
    file = body or _sample_of(stage)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    return Request(content, content_type or content_type_of(file), accept)


def _sample_of(stage: Stage) -> Path:
    model = containers_of(stage)[0].model
    folder = model_folder(model) if model else None
    if folder is None:
        where = "in S3" if model else "in its image"
        raise Refused(f"The model of {stage.name} is {where}, and its samples with it.", "Name a request: BODY=FILE")
    return first_sample(folder)


def first_sample(folder: Path) -> Path:
    """Return the sample request to show, `one_row.*` if there is one; raise `Refused` if there is none."""
    samples = folder / "samples"
    for sample in [*sorted(samples.glob("one_row.*")), *sorted(samples.glob("*"))]:
        if sample.is_file() and ".expected." not in sample.name and sample.suffix in TYPES:
            return sample
    raise Refused(f"The model has no sample request: looked in {samples}.", "Put one there, such as one_row.csv.")


def content_type_of(file: Path) -> str:
    """Return the media type that the file's name tells; raise `Refused` if it tells none."""
    if file.suffix not in TYPES:
        raise Refused(f"No media type is known for {file}.", "Name it: CONTENT_TYPE=…")
    return TYPES[file.suffix]
