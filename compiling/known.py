"""Values to begin a comparison with: what the samples hold, and what the fitted model learnt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from compiling.comparison import UNSEEN, Row, is_numeric
from compiling.estimators import learnt_values, parts_of
from serving.decoders import decode
from serving.media_types import parse_content_type
from serving.samples import find_samples
from serving.schema import InputSchema

SEED = 43
UNKNOWN_NUMBERS = (0.0, 1.0)  # where nothing is known of a column
WORDS_IN_A_TEXT = 12
MARKS = ("", "", ",", ".", "!", "-", " 7", "'s", "é")


def sample_rows(model_dir: Path, schema: InputSchema) -> list[Row]:
    """Return the rows of all samples, cells in the order of the columns."""
    rows: list[Row] = []
    for sample in find_samples(model_dir):
        request = sample.to_request()
        decoded = decode(request.body, parse_content_type(request.content_type))
        if schema.kind == "text":
            rows.extend([text] for text in schema.assemble(decoded))
        else:
            rows.extend(list(schema.cells_of(row, number)) for number, row in enumerate(decoded, 1))
    return rows


def known_values(model: Any, schema: InputSchema, rows: Sequence[Row]) -> list[list[Any]]:
    """Return, for each column, some values of it."""
    if schema.kind == "text":
        return [texts_like([row[0] for row in rows], model)]
    columns: Sequence[Any] = [column.name for column in schema.columns] or range(schema.width or 0)
    learnt = learnt_values(model, columns)
    return [
        clean([*(row[place] for row in rows), *learnt[column]], numeric=is_numeric(schema, place))
        for place, column in enumerate(columns)
    ]


def clean(values: Sequence[Any], *, numeric: bool) -> list[Any]:
    """Return those values that are none of the words for what is missing, each once; never an empty list."""
    found = [value for value in values if not pd.isna(value) and value != ""]
    if numeric:
        return sorted({float(value) for value in found}) or list(UNKNOWN_NUMBERS)
    texts = sorted({str(value) for value in found})
    return texts or [UNSEEN]


def texts_like(texts: Sequence[str], model: Any) -> list[str]:
    """Return *texts*, and others of their words and of those that the model knows."""
    known = [word for part in parts_of(model) for word in getattr(part, "vocabulary_", ())]
    words = sorted({*known, *(word for text in texts for word in text.split())}) or [UNSEEN]
    chance = np.random.default_rng(SEED)
    made = []
    for _ in range(1000):
        chosen = chance.choice(words, chance.integers(1, WORDS_IN_A_TEXT))
        spelt = [chance.choice([word, word.upper(), word.title()]) + chance.choice(MARKS) for word in chosen]
        made.append(" ".join(spelt))
    return [*texts, *made, UNSEEN]


def with_unseen(values: Sequence[list[Any]], may_be_unseen: Sequence[bool]) -> list[list[Any]]:
    """Return the values, texts also in spellings and words that nobody has seen, where the original takes these."""
    return [
        [*known, *(f"{one} " for one in known), *(one.lower() for one in known), UNSEEN] if unseen else known
        for known, unseen in zip(values, may_be_unseen, strict=True)
    ]
