"""
Train the movie sentiment model: a review's words in, the probability that it is positive out.

Run from the repository's root:

    PYTHONPATH=container/code:models/movie_sentiment/code python models/movie_sentiment/train.py \
        --sentences labelled_sentences.tsv --reviews product_reviews.jsonl

The sentences have a tab and 0 or 1 behind them. The reviews, one JSON object a line, have `reviewText`, `summary` and
`overall`. The program prints the figures of held-out sentences, and writes `vocabulary.json`, `classifier.joblib`,
`samples/` and `manifest.json` beside this file.
"""

import argparse
import json
import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from inference import Loaded, judgement, new_counter, positive
from review_text import clean
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from serving.manifest import write_manifest

FOLDER = Path(__file__).resolve().parent
SEED = 42
WORDS = 5000  # as many as the lecture's vocabulary has
PRAISES = 600  # reviews of five stars: there are seventeen times as many as of one and two
FILM = re.compile(
    r"\b(?:movies?|films?|actors?|actress|acting|plots?|scenes?|cast|director|cinema|script|characters?)\b"
)
NEGATED = re.compile(r"\b(?:not|no|never|nothing|\w+nt)\b")

GOOD = "What a wonderful film.<br /><br />The story is beautiful, and I loved every minute of it!"
BAD = "Don't waste your time: the plot is boring/stupid, and the acting is not good."


def load_sentences(path: Path) -> pd.DataFrame:
    """Read the sentences; return `text`, cleaned, and `positive`, each text once and none that has two labels."""
    lines = [line.rsplit("\t", 1) for line in path.read_text().split("\n") if "\t" in line]
    sentences = pd.DataFrame([(normal(text), label == "1") for text, label in lines], columns=["text", "positive"])
    return sentences[sentences["text"] != ""].drop_duplicates().drop_duplicates("text", keep=False)


def load_reviews(path: Path) -> pd.DataFrame:
    """Read the texts and the titles of reviews of one and two stars, and of some of five."""
    reviews = pd.read_json(path, lines=True)
    praises = reviews[reviews["overall"] == 5].sample(PRAISES, random_state=SEED)
    told = pd.concat([reviews[reviews["overall"] <= 2], praises])
    texts = pd.concat([told["reviewText"], told["summary"]])
    return pd.DataFrame({"text": map(normal, texts), "positive": [*(told["overall"] == 5)] * 2})


def normal(text: str) -> str:
    """Return the words of *text* with one space between them."""
    return " ".join(clean(text).split())


def fit(texts: pd.DataFrame) -> Loaded:
    """Count words, weight them, and fit a logistic regression."""
    counter = new_counter(most_words=WORDS).fit(texts["text"])
    vocabulary = {word: int(column) for word, column in sorted(counter.vocabulary_.items(), key=lambda item: item[1])}
    counter = new_counter(vocabulary)
    weights = LogisticRegression(C=5, max_iter=1000, class_weight="balanced")
    classifier = make_pipeline(TfidfTransformer(sublinear_tf=True), weights)
    return Loaded(counter, classifier.fit(counter.transform(texts["text"]), texts["positive"]))


def report(name: str, sentences: pd.DataFrame, probabilities: np.ndarray) -> None:
    """Print how good *probabilities* (rows,) are for *sentences*, and how good the larger class would be."""
    accuracy = accuracy_score(sentences["positive"], probabilities >= 0.5)
    area = roc_auc_score(sentences["positive"], probabilities)
    share = sentences["positive"].mean()
    figures = f"accuracy {accuracy:.3f}  ROC AUC {area:.3f}  the larger class {max(share, 1 - share):.3f}"
    print(f"{name:<22} {len(sentences):>4} sentences  {figures}")


def report_all(sentences: pd.DataFrame, probabilities: np.ndarray) -> None:
    """Print the figures of all held-out sentences, of those about films and of those with a negation."""
    report("all", sentences, probabilities)
    for name, pattern in (("that name a film", FILM), ("with a negation", NEGATED)):
        chosen = sentences["text"].str.contains(pattern).to_numpy()
        report(name, sentences[chosen], probabilities[chosen])
        report(f"not {name}", sentences[~chosen], probabilities[~chosen])
    print("confusion          said negative  said positive")
    table = confusion_matrix(sentences["positive"], probabilities >= 0.5)
    for name, row in zip(("is negative", "is positive"), table, strict=True):
        print(f"{name:<18} {row[0]:>13}  {row[1]:>13}")


def train(sentences: Path, reviews: Path) -> Loaded:
    """Fit on four fifths of the sentences and on the reviews, and print the figures of the held-out fifth."""
    told, held_out = train_test_split(load_sentences(sentences), test_size=0.2, random_state=SEED)
    others = load_reviews(reviews)
    print(f"{len(told)} sentences and {len(others)} texts of reviews to train on, {len(held_out)} sentences held out")
    model = fit(pd.concat([told, others]))
    report_all(held_out, positive(model, model.counter.transform(held_out["text"])))
    return model


def write_samples(model: Loaded) -> None:
    """Write sample requests and, beside each, *model*'s answer."""
    counts = model.counter.transform([GOOD, BAD]).toarray()
    good, bad = positive(model, counts).tolist()
    said = [judgement(good), judgement(bad)]
    rows = [",".join(map(str, row)) for row in counts.tolist()]
    write_sample("one_row.txt", GOOD, ".json", json.dumps(said[0]))
    write_sample("negative.txt", BAD, ".json", json.dumps(said[1]))
    write_sample("negative_as_text.txt", BAD, ".txt", str(bad))
    write_sample("counts.csv", "\n".join(rows), ".csv", f"{good}\n{bad}")
    write_sample("object.json", json.dumps({"review": GOOD}), ".json", json.dumps(said[0]))
    lines = "\n".join(json.dumps({"review": review}) for review in (GOOD, BAD))
    write_sample("reviews.jsonl", lines, ".jsonl", "\n".join(map(json.dumps, said)))


def write_sample(name: str, request: str, extension: str, answer: str) -> None:
    """Write a request and its answer into files of their own."""
    path = FOLDER / "samples" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{request}\n")
    path.with_suffix(f".expected{extension}").write_text(f"{answer}\n")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train models/movie_sentiment.")
    parser.add_argument("--sentences", type=Path, required=True, help="sentences, a tab, and 0 or 1")
    parser.add_argument("--reviews", type=Path, required=True, help="product reviews, one JSON object a line")
    return parser.parse_args()


def main() -> None:
    """Train, then write everything that the folder needs to be served."""
    given = arguments()
    with threadpool_limits(1):  # so that sums are made in the same order on every machine
        model = train(given.sentences, given.reviews)
    (FOLDER / "vocabulary.json").write_text(json.dumps(model.counter.vocabulary, ensure_ascii=False, indent=0) + "\n")
    joblib.dump(model.classifier, FOLDER / "classifier.joblib", compress=3)
    write_samples(model)
    write_manifest(FOLDER, libraries=["scikit-learn", "numpy", "scipy"])


if __name__ == "__main__":
    main()
