"""
Train a linear classifier of sentences, as a training job of SageMaker's; `train` in the image runs this.

Reads `__label__NAME text` lines, the format of fastText and BlazingText, from the channels `train` and `validation`;
writes `model.joblib` and `samples/` into the model folder. The hyperparameters are named as BlazingText's are.

It prints a line for each measure, such as `#validation_accuracy: 0.7612`, for a metric definition to find.
"""

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from formats import classified, rows_in_documents, rows_in_lines, written
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight

from serving.manifest import write_manifest

PREFIX = "__label__"
SAMPLES = (
    "This pedal gives a warm tone and was easy to set up.",
    "Do not buy it",
    "I have played guitar for twenty years and these strings stay in tune longer than any other set I tried",
)

Labelled = tuple[list[str], list[str]]


def read_channel(name: str, environ: Mapping[str, str]) -> Labelled:
    """Return the texts and the labels of a channel."""
    folder = environ.get(f"SM_CHANNEL_{name.upper()}")
    if folder is None:
        sys.exit(f"There is no channel {name!r}; the job has {environ.get('SM_CHANNELS', '[]')}. Add it.")
    texts, labels = [], []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            for label, text in lines_of(path):
                labels.append(label)
                texts.append(text)
    if not texts:
        sys.exit(f"The channel {name!r} has no lines: looked at the files in {folder}.")
    return texts, labels


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the label and the text of each line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        label, _, text = line.strip().partition(" ")
        if not label:
            continue
        if not label.startswith(PREFIX) or label == PREFIX or not text.strip():
            sys.exit(f"{path}, line {number}: {line[:60]!r} is not a label and a text. Expected: {PREFIX}1 some text")
        yield label, text.strip()


def require_classes(train: Sequence[str], validation: Sequence[str]) -> list[str]:
    """Return the labels, in order; end the program where they cannot be learned."""
    classes = sorted(set(train))
    if len(classes) < 2:
        sys.exit(f"The channel 'train' has one label, {classes[0]}, and nothing to tell it from. Add lines of another.")
    if unknown := sorted(set(validation) - set(classes)):
        sys.exit(f"The channel 'validation' has labels that 'train' does not have: {', '.join(unknown)}.")
    return classes


def fit(train: Labelled, classes: list[str], given: argparse.Namespace, stop: Sequence[int]) -> Pipeline:
    """Fit word counts and a linear model, epoch by epoch; once there is a *stop*, with the epochs that there were."""
    words = TfidfVectorizer(ngram_range=(1, given.word_ngrams), min_df=given.min_count, sublinear_tf=True)
    texts, labels = train
    try:
        table = words.fit_transform(texts)
    except ValueError as error:
        sys.exit(f"No word of the channel 'train' is used {given.min_count} times ({error}). Lower min_count.")
    linear = SGDClassifier(
        loss="log_loss", alpha=1e-4, learning_rate="constant", eta0=given.learning_rate, random_state=given.seed
    )
    weights = compute_sample_weight("balanced", labels)  # or the rarer label would never be answered
    order = np.random.default_rng(given.seed)
    for epoch in range(1, given.epochs + 1):
        rows = order.permutation(len(labels))
        linear.partial_fit(table[rows], np.array(labels)[rows], classes=classes, sample_weight=weights[rows])
        if stop:
            print(f"stopped after {epoch} of {given.epochs} epochs; the model is kept", file=sys.stderr)
            break
    return Pipeline([("words", words), ("linear", linear)])


def report(model: Pipeline, validation: Labelled, train_labels: Sequence[str]) -> dict[str, Any]:
    """Print and return the measures on the validation channel, beside those of always answering the commonest label."""
    texts, labels = validation
    predicted = model.predict(texts)
    commonest = Counter(train_labels).most_common(1)[0][0]
    always = [commonest] * len(labels)
    classes = list(map(str, model.classes_))
    measures = {
        "validation_accuracy": accuracy_score(labels, predicted),
        "validation_balanced_accuracy": balanced_accuracy_score(labels, predicted),
        "validation_macro_f1": f1_score(labels, predicted, average="macro"),
        "majority_accuracy": accuracy_score(labels, always),
        "majority_balanced_accuracy": balanced_accuracy_score(labels, always),
        "majority_macro_f1": f1_score(labels, always, average="macro", zero_division=0),
    }
    for name, value in measures.items():
        print(f"#{name}: {value:.4f}")
    table = confusion_matrix(labels, predicted, labels=classes).tolist()
    print("rows are the labels, columns the answers:", *classes)
    for name, row in zip(classes, table, strict=True):
        print(f"{name}  {'  '.join(f'{count:6d}' for count in row)}")
    return {**measures, "labels": classes, "confusion": table}


def write_samples(model: Pipeline, folder: Path) -> None:
    """Write requests in both formats and the model's own answers: they warm the server up, and prove the model."""
    folder.mkdir(exist_ok=True)
    document = json.dumps({"instances": SAMPLES, "configuration": {"k": 2}})
    lines = "".join(json.dumps({"source": text}) + "\n" for text in SAMPLES)
    one = json.dumps({"instances": SAMPLES[:1]})
    for name, body in (("instances.json", document), ("one_row.json", one)):
        (folder / name).write_text(body + "\n")
        (folder / name.replace(".json", ".expected.json")).write_text(
            written(classified(rows_in_documents(body), model))
        )
    (folder / "lines.jsonl").write_text(lines)
    (folder / "lines.expected.jsonl").write_text(written(classified(rows_in_lines(lines), model)))


def positive(text: str) -> int:
    """Read a whole number that is at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, at least 1")
    return int(text)


def arguments() -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = argparse.ArgumentParser(prog="train.py")
    parser.add_argument("--mode", choices=["supervised"], default="supervised", help="BlazingText's; there is one")
    parser.add_argument("--epochs", type=positive, default=10)
    parser.add_argument("--learning_rate", type=float, default=0.05)
    parser.add_argument("--word_ngrams", type=positive, default=2, help="the most words that count as one")
    parser.add_argument("--min_count", type=positive, default=2, help="how many lines must have a word")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main(environ: Mapping[str, str]) -> None:
    """Train, measure, and write what the folder needs to be served."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    given = arguments()
    train, validation = read_channel("train", environ), read_channel("validation", environ)
    model = fit(train, require_classes(train[1], validation[1]), given, stop)
    measures = report(model, validation, train[1])
    folder = Path(environ["SM_MODEL_DIR"])
    joblib.dump(model, folder / "model.joblib", compress=3)
    write_samples(model, folder / "samples")
    write_manifest(folder, libraries=["scikit-learn", "numpy", "scipy", "joblib"])
    Path(environ["SM_OUTPUT_DATA_DIR"], "measures.json").write_text(json.dumps(measures, indent=2) + "\n")


if __name__ == "__main__":
    main(os.environ)
