"""
Train the Turkish sentiment model: a shop review in, the probability that it is positive out.

Run from the repository's root:

    PYTHONPATH=container/code:models/turkish_sentiment/code python models/turkish_sentiment/train.py --data reviews.csv

The file has a header and the columns `text` and `label`, which is positive, neutral or negative. The program prints
the held-out figures, and writes `model.joblib`, `samples/` and `manifest.json` beside this file.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from threadpoolctl import threadpool_limits
from turkish_text import fold

from serving.manifest import write_manifest

FOLDER = Path(__file__).resolve().parent
SEED = 42
BANDS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

BAD = "urunun yeterli kalitede oldugunu dusunmuyorum"
BAD_SPELLED = "Ürünün yeterli kalitede olduğunu düşünmüyorum"
GOOD = "Çok güzel bir ürün, hızlı kargo, tavsiye ederim"
BROKEN = "İki gün sonra bozuldu, sakın almayın"
SAMPLES = {  # a request's name -> its texts; the extension and the number say how they are sent
    "one_row.json": [BAD],
    "positive.json": [GOOD],
    "instances.json": [BAD_SPELLED, GOOD, BROKEN],
    "reviews.jsonl": [GOOD, BROKEN],
}


def load(path: Path) -> pd.DataFrame:
    """Read the reviews; return `text`, folded, and `label`, each text once and none that has two labels."""
    reviews = pd.read_csv(path, keep_default_na=False)
    reviews["text"] = [" ".join(fold(text).split()) for text in reviews["text"]]
    found = reviews[reviews["text"] != ""].drop_duplicates()
    return found.drop_duplicates("text", keep=False)


def new_model() -> Pipeline:
    """Return what is fitted: words, pairs of words and pieces of words, weighted, and a logistic regression."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, max_features=10_000)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True, max_features=20_000)
    return make_pipeline(make_union(words, pieces), LogisticRegression(max_iter=1000))


def positive(model: Pipeline, texts: pd.Series) -> np.ndarray:
    """Return the probability (rows,) that each of *texts*, already folded, is positive."""
    return model.predict_proba(texts)[:, 1]


def report(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Print how good *probabilities* (rows,) are for *labels* (rows,), 1 for positive."""
    most = max(labels.mean(), 1 - labels.mean())
    accuracy = accuracy_score(labels, probabilities >= 0.5)
    print(f"model              accuracy {accuracy:.3f}  ROC AUC {roc_auc_score(labels, probabilities):.3f}")
    print(f"the larger class   accuracy {most:.3f}  ROC AUC 0.500")
    print("confusion          said negative  said positive")
    for name, row in zip(("is negative", "is positive"), confusion_matrix(labels, probabilities >= 0.5), strict=True):
        print(f"{name:<18} {row[0]:>13}  {row[1]:>13}")


def report_bands(labels: np.ndarray, probabilities: np.ndarray, neutral: np.ndarray) -> None:
    """Print for each band of predictions how many there are, how many were positive, and the share of the neutral."""
    print("prediction         reviews  positive  share of the neutral")
    for low, high in pairwise(BANDS):
        inside = (probabilities >= low) & (probabilities < high)
        share = ((neutral >= low) & (neutral < high)).mean()
        print(f"{low:.1f} to {high:.1f}         {inside.sum():>7}  {labels[inside].mean():>8.3f}  {share:>20.3f}")


def train(data: Path) -> Pipeline:
    """Fit on four fifths of *data* and print the figures of the held-out fifth; neutral reviews are only looked at."""
    reviews, held_out = train_test_split(load(data), test_size=0.2, random_state=SEED)
    reviews, told = (part[part["label"] != "neutral"] for part in (reviews, held_out))
    model = new_model().fit(reviews["text"], reviews["label"] == "positive")
    neutral = held_out[held_out["label"] == "neutral"]
    print(f"{len(reviews)} reviews to train on, {len(told)} held out; beside these {len(neutral)} neutral ones")
    labels, probabilities = (told["label"] == "positive").to_numpy(), positive(model, told["text"])
    report(labels, probabilities)
    report_bands(labels, probabilities, positive(model, neutral["text"]))
    return model


def exchange(name: str, texts: list[str], predictions: list[float]) -> tuple[bytes, bytes]:
    """Return a sample's request and its answer."""
    asked, answers = [{"sentiment": text} for text in texts], [{"prediction": number} for number in predictions]
    if name.endswith(".jsonl"):
        return json_lines(asked), json_lines(answers)
    several = {"instances": asked}, {"predictions": answers}
    request, answer = several if name.startswith("instances") else (asked[0], answers[0])
    return json_lines([request]), json_lines([answer])


def json_lines(values: list[dict]) -> bytes:
    """Write one JSON value a line."""
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values).encode()


def write_samples(model: Pipeline) -> None:
    """Write each sample request and, beside it, *model*'s answer."""
    for name, texts in SAMPLES.items():
        request = FOLDER / "samples" / name
        predictions = positive(model, pd.Series([fold(text) for text in texts])).tolist()
        asked, answered = exchange(name, texts, predictions)
        request.parent.mkdir(exist_ok=True)
        request.write_bytes(asked)
        request.with_suffix(f".expected{request.suffix}").write_bytes(answered)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train models/turkish_sentiment.")
    parser.add_argument("--data", type=Path, required=True, help="the reviews: a CSV file with text and label")
    return parser.parse_args()


def main() -> None:
    """Train, then write everything that the folder needs to be served."""
    with threadpool_limits(1):  # so that sums are made in the same order on every machine
        model = train(arguments().data)
    joblib.dump(model, FOLDER / "model.joblib", compress=3)
    write_samples(model)
    write_manifest(FOLDER, libraries=["scikit-learn", "numpy", "scipy"])


if __name__ == "__main__":
    main()
