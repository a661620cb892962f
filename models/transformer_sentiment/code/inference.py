"""
Sentiment of English sentences by a transformer, as a handler class: `initialize` loads, `inference` answers.

    {"inputs": ["I love dogs.", "I am not fond of cats though."]}  ->  {"predictions": ["POSITIVE", "NEGATIVE"]}

Everything is read from the model folder; nothing is ever fetched.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from wordpiece import WordPiece, read_vocabulary

from serving.errors import BadRequest

LONGEST = 256  # pieces of a text that are read, the two at its ends among them: what the weights were trained with
MOST_TEXTS = 256  # in one request: with the longest texts that is about half a minute
TOGETHER = 16  # texts that go through the model at once
LABELS = ("NEGATIVE", "POSITIVE")
SILENT = 4  # ONNX Runtime's number for fatal errors alone


class SentimentHandler:
    """The model, and how it is asked."""

    def initialize(self, model_dir: str) -> None:
        """Load everything, before the server starts its workers; one thread, for they share the session by a fork."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(Path(model_dir) / "model.onnx")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._words = WordPiece(read_vocabulary(Path(model_dir) / "vocabulary.txt"), LONGEST)

    def inference(self, request: Any) -> dict[str, list[Any]]:
        """Return a label for each text in `inputs` and, if `scores` is true, the probability of POSITIVE."""
        texts, wants_scores = texts_in(request), request.get("scores", False)
        scores = self._scores([self._words.read(text) for text in texts])
        answer: dict[str, list[Any]] = {"predictions": [LABELS[int(score >= 0.5)] for score in scores]}
        return answer | {"scores": scores.tolist()} if wants_scores else answer

    def _scores(self, texts: Sequence[list[int]]) -> np.ndarray:
        """Return the probability (texts,) that each is positive."""
        scores = np.empty(len(texts), dtype=np.float32)
        for places in groups_of(texts):
            (scores[places],) = self._session.run(None, {"pieces": padded([texts[place] for place in places])})
        return scores


def texts_in(request: Any) -> list[str]:
    """Return the texts of a request; a text by itself is one."""
    if not isinstance(request, dict) or "inputs" not in request:
        raise BadRequest('Send {"inputs": ["a text", ...]}: there is no "inputs".')
    texts = [request["inputs"]] if isinstance(request["inputs"], str) else request["inputs"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRequest('"inputs" has to be a text or a list of texts.')
    if not 0 < len(texts) <= MOST_TEXTS:
        raise BadRequest(f'"inputs" has {len(texts)} texts; send 1 to {MOST_TEXTS}.')
    if not isinstance(request.get("scores", False), bool):
        raise BadRequest('"scores" has to be true or false.')
    return texts


def groups_of(texts: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield the places of texts of about the same length, so that little is padded."""
    by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    for start in range(0, len(texts), TOGETHER):
        yield by_length[start : start + TOGETHER]


def padded(texts: Sequence[list[int]]) -> np.ndarray:
    """Return the texts as one array (texts, pieces), with zeros after the shorter ones, which the model skips."""
    pieces = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
    for row, text in zip(pieces, texts, strict=True):
        row[: len(text)] = text
    return pieces
