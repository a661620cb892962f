"""The samples that are shipped: each request in `data/input` has its answer in `data/output`, under the same name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from deploy.call.samples import TYPES, content_type_of
from deploy.errors import Refused
from deploy.marketplace.seller import FOLDER, Seller

DATA = "data"
REAL_TIME, BATCH = "real-time", "batch"
OUT = ".out"  # what SageMaker appends to the name of a batch transform's answer


@dataclass(frozen=True)
class Question:
    """A request: *accept* is the answer's media type, *file* where the answer is shipped, maybe among others."""

    name: str
    body: bytes
    content_type: str
    accept: str
    file: Path


@dataclass(frozen=True)
class Exchange:
    """A request, and the answer that is shipped with it."""

    question: Question
    expected: bytes


def data_of(model: Path) -> Path:
    """Return the folder of a model's samples."""
    return model / FOLDER / DATA


def questions(model: Path, seller: Seller) -> Iterator[Question]:
    """Yield every request that a model's samples make: in a transform job, maybe one for each line of a file."""
    data, accept, batch_type = data_of(model), seller.response_types[0], seller.validation.content_type
    for name in sorted(files(data / "input" / REAL_TIME)):
        path, file = data / "input" / REAL_TIME / name, data / "output" / REAL_TIME / name
        yield Question(f"{REAL_TIME}/{name}", path.read_bytes(), content_type_of(path), accept, file)
    for name in sorted(files(data / "input" / BATCH)):
        body, file = (data / "input" / BATCH / name).read_bytes(), data / "output" / BATCH / answer(name, BATCH)
        if seller.validation.split == "Line":
            for number, line in enumerate(body.splitlines(), 1):
                yield Question(f"{BATCH}/{name}, line {number}", line, batch_type, accept, file)
        else:
            yield Question(f"{BATCH}/{name}", body, batch_type, accept, file)


def exchanges(model: Path, seller: Seller) -> Iterator[Exchange]:
    """
    Yield every request with its answer; raise `Refused` if they are not as many.

    A model may end its answers with a newline, and SageMaker adds one: a line between two of them is no answer.
    """
    for file, asked in _by_file(questions(model, seller)):
        shipped = file.read_bytes()
        answers = [*filter(bytes.strip, shipped.splitlines())] if _by_line(file, seller) else [shipped]
        if len(asked) != len(answers):
            raise Refused(f"{file} answers {len(answers)} requests, and there are {len(asked)}: each has one answer.")
        yield from map(Exchange, asked, answers)


def record(asked: Sequence[Question], answers: Sequence[bytes], seller: Seller) -> list[Path]:
    """Write the answers where they are shipped; return the files."""
    found = dict(zip(asked, answers, strict=True))
    for file, group in _by_file(asked):
        answers = [found[one] for one in group]
        if _by_line(file, seller):
            answers = [answer.rstrip(b"\r\n") + b"\n" for answer in answers]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(answers))
    return [file for file, _ in _by_file(asked)]


def _by_file(asked: Iterator[Question] | Sequence[Question]) -> Iterator[tuple[Path, list[Question]]]:
    for file, group in groupby(asked, attrgetter("file")):
        yield file, list(group)


def _by_line(file: Path, seller: Seller) -> bool:
    return file.parent.name == BATCH and seller.validation.split == "Line"


def layout_faults(data: Path) -> Iterator[str]:
    """Yield a sentence for each sample that lacks its other half, and for each folder that is empty."""
    for kind in (REAL_TIME, BATCH):
        requests, answers = data / "input" / kind, data / "output" / kind
        asked, answered = files(requests), files(answers)
        if not asked:
            yield f"There is no sample in {requests}: buyers need one for {kind}."
        for name in sorted(asked - answered):
            yield f"{requests / name} has no answer: looked for {answers / answer(name, kind)}."
        for name in sorted(answered - asked):
            yield f"{answers / answer(name, kind)} answers nothing: looked for {requests / name}."
        for name in sorted(asked):
            if Path(name).suffix not in TYPES:
                yield f"{requests / name}: no media type is known for {Path(name).suffix or 'it'}."


def files(folder: Path) -> set[str]:
    """Return the names of the requests that lie in a folder, or of those that its answers are for."""
    return {path.name.removesuffix(OUT) for path in folder.glob("*") if path.is_file()}


def answer(name: str, kind: str) -> str:
    """Return what the answer to the request *name* is called."""
    return f"{name}{OUT}" if kind == BATCH else name
