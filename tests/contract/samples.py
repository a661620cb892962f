"""The requests that a target is checked with: its model's own samples, or files that the user names."""

from dataclasses import dataclass
from pathlib import Path

from serving.samples import EXTENSIONS, find_samples

LINE_FORMATS = ("text/csv", "application/jsonlines")


@dataclass(frozen=True)
class Sample:
    """A request that the model answers with 200."""

    body: bytes
    content_type: str


class SampleError(Exception):
    """There is no request to check the target with. The message says what to name."""


def read_sample(path: Path, content_type: str | None = None) -> Sample:
    """Return the request in a file; its extension tells the media type unless one is given."""
    if not path.is_file():
        raise SampleError(f"No such file: {path}")
    found = content_type or EXTENSIONS.get(path.suffix)
    if found is None:
        raise SampleError(f"No media type is known for {path}. Name it: --content-type TYPE")
    return Sample(path.read_bytes(), found)


def first_sample(samples: Path) -> Sample:
    """Return the request to begin with: `one_row.*` where there is one."""
    requests = [sample.request for sample in find_samples(samples.parent)]
    if not requests:
        raise SampleError(f"No sample request: looked in {samples}. Name one: --sample FILE --content-type TYPE")
    return read_sample(min(requests, key=lambda path: (path.stem != "one_row", path.name)))
