"""
Make labelled sentences of product reviews, as a processing job of SageMaker's.

    python3 /opt/ml/processing/input/code/preprocess.py reviews.json.zip

reads `/opt/ml/processing/input/data/reviews.json.zip` (JSON Lines, in a zip archive or as they are) and writes
`/opt/ml/processing/output/train/train.txt` and `/opt/ml/processing/output/validation/validation.txt`: a sentence a
line, `__label__1` before it if most who voted found its review helpful, `__label__2` if most did not.

It needs nothing but Python. What goes wrong is also written to /opt/ml/output/message, which SageMaker shows as the
job's ExitMessage.
"""

import argparse
import io
import json
import random
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

HELPFUL, NOT_HELPFUL = "__label__1", "__label__2"
WORD = re.compile(r"\w")


class BadData(Exception):
    """The data set cannot be read; the message says where and what was expected."""


class Review(NamedTuple):
    """A label and the sentences that it holds for."""

    label: str
    sentences: tuple[str, ...]


def open_lines(path: Path, stack: ExitStack) -> TextIO:
    """Open the JSON Lines in *path*, or in the only file of the zip archive that it is."""
    if not path.is_file():
        there = sorted(other.name for other in path.parent.glob("*"))
        raise BadData(f"No data set: looked for {path}, found {', '.join(there[:12]) or 'nothing'} in its folder.")
    if not zipfile.is_zipfile(path):
        return stack.enter_context(path.open(encoding="utf-8"))
    archive = stack.enter_context(zipfile.ZipFile(path))
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise BadData(f"{path} holds {len(names)} files: {', '.join(names[:5])}. Put one file of JSON Lines into it.")
    return io.TextIOWrapper(stack.enter_context(archive.open(names[0])), encoding="utf-8")


def reviews_in(lines: Iterable[str]) -> Iterator[Review]:
    """Yield the reviews that say something; a tie of votes and a review without words say nothing."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        helpful, votes, text = fields_of(line, number)
        sentences = tuple(sentences_of(text))
        if 2 * helpful != votes and sentences:
            yield Review(HELPFUL if 2 * helpful > votes else NOT_HELPFUL, sentences)


def fields_of(line: str, number: int) -> tuple[int, int, str]:
    """Return the helpful votes, all votes and the text of a line."""
    try:
        record = json.loads(line)
        helpful, votes = map(int, record["helpful"])
        # JSON can spell half of a pair of surrogates, which UTF-8 cannot.
        return helpful, votes, str(record["reviewText"]).encode(errors="replace").decode()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadData(
            f"Line {number} is not a review ({type(error).__name__}: {error}): {line[:80].rstrip()!r}. Expected a JSON "
            'object with "helpful": [helpful votes, all votes] and "reviewText".'
        ) from None


def sentences_of(text: str) -> Iterator[str]:
    """Yield what stands between full stops, on one line each, if there is a word in it."""
    for part in text.split("."):
        if WORD.search(part):
            yield " ".join(part.split())


def split(reviews: Iterable[Review], share: float, seed: int) -> tuple[list[str], list[str]]:
    """
    Return the lines to train on and those to validate with.

    The same share of each label's reviews is set aside, whole reviews at a time: sentences of one review are alike.
    A sentence that is written the same way in both parts stays where it is trained on.
    """
    chance = random.Random(seed)  # noqa: S311 - a split, no secret
    parts: tuple[list[Review], list[Review]] = [], []
    groups: dict[str, list[Review]] = {HELPFUL: [], NOT_HELPFUL: []}
    for review in reviews:
        groups[review.label].append(review)
    for group in groups.values():
        chance.shuffle(group)
        aside = round(share * len(group))
        parts[1].extend(group[:aside])
        parts[0].extend(group[aside:])
    train, validation = ([(each.label, text) for each in part for text in each.sentences] for part in parts)
    known = {text.lower() for _, text in train}
    return lines_of(train), lines_of((label, text) for label, text in validation if text.lower() not in known)


def lines_of(labelled: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines in the format of fastText and BlazingText."""
    return [f"{label} {text}\n" for label, text in labelled]


def process(data: Path, output: Path, share: float, seed: int) -> None:
    """Read the data set, write both parts, and print how many lines of each label they have."""
    with ExitStack() as stack:
        try:
            reviews = list(reviews_in(open_lines(data, stack)))
        # RuntimeError: it is encrypted, or NotImplementedError, packed in a way that Python has not.
        except (UnicodeDecodeError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise BadData(f"{data} is neither UTF-8 text nor a sound zip archive of it: {error}.") from None
    parts = dict(zip(("train", "validation"), split(reviews, share, seed), strict=True))
    for name, lines in parts.items():
        if not lines:
            raise BadData(f"{data} gives no sentences for {name}: it has {len(reviews)} reviews that count.")
    for name, lines in parts.items():
        path = output / name / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
        helpful = sum(line.startswith(f"{HELPFUL} ") for line in lines)
        print(f"{name}: {len(lines)} sentences, {helpful} {HELPFUL}, {len(lines) - helpful} {NOT_HELPFUL}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make labelled sentences of product reviews.")
    parser.add_argument("name", help="the data set's file in processing/input/data")
    parser.add_argument("--root", type=Path, default=Path("/opt/ml"), help="in place of /opt/ml")
    parser.add_argument("--validation-share", type=float, default=0.2, help="of the reviews (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    return parser.parse_args()


def main() -> int:
    """Process the data set; return the exit status."""
    given = arguments()
    folder = given.root / "processing"
    try:
        process(folder / "input" / "data" / given.name, folder / "output", given.validation_share, given.seed)
    except BadData as error:
        print(f"preprocess.py: {error}", file=sys.stderr)
        with suppress(OSError):  # the message is on stderr already
            (given.root / "output").mkdir(exist_ok=True)
            (given.root / "output" / "message").write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
