"""
The models that are measured: those of this repository, and three that are made here, into .cache/benchmark/models.

`forest` has 100 trees; `large` has 500 MB, for memory; `linear` costs nearly nothing, so that what is left is the
stack.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.catalogue import CACHE, ROOT
from benchmark.errors import Refused, say
from benchmark.model import Model, read_model

SEED = 20261120
FEATURES = 8
LARGE_TREES = 17  # of 200,000 leaves each: about 500 MB


def rows(count: int) -> tuple[Any, Any]:
    """Return synthetic rows, shape (count, FEATURES), and their targets."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    matrix = generator.normal(size=(count, FEATURES))
    return matrix, matrix @ np.arange(1, FEATURES + 1) + np.sin(matrix[:, 0] * 3) + generator.normal(size=count)


def forest() -> Any:
    """Return a random forest of 100 trees, as large as one on a few thousand rows becomes."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=100, random_state=SEED).fit(*rows(4000))


def large() -> Any:
    """Return trees that were grown to the end on 200,000 rows."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(n_estimators=LARGE_TREES, max_features=1, random_state=SEED, n_jobs=os.cpu_count())
    return trees.fit(*rows(200_000)).set_params(n_jobs=None)


def linear() -> Any:
    """Return a model that costs next to nothing."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(*rows(100))


MADE: dict[str, Callable[[], Any]] = {"forest": forest, "large": large, "linear": linear}


def model_named(name: str, cache: Path = CACHE) -> Model:
    """Return the model of that name, made if need be, or the one in that folder."""
    if name in MADE:
        folder = cache / "models" / name
        if not (folder / "manifest.json").exists():
            say(f"- making the model {name}" + (" (500 MB; a minute)" if name == "large" else ""))
            make(name, folder)
        return read_model(folder)
    return read_model(folder_named(name))


def folder_named(name: str) -> Path:
    """Return the folder of models/ with that name, or the folder at that path."""
    for folder in (ROOT / "models" / name, Path(name)):
        if folder.is_dir():
            return folder.resolve()
    known = sorted(path.parent.name for path in ROOT.glob("models/*/manifest.json"))
    raise Refused(f"no model {name}: looked for models/{name} and {name}, and knows {', '.join([*known, *MADE])}.")


def make(name: str, folder: Path) -> None:
    """Fit the model and write its folder: the file, one sample, the manifest last."""
    import joblib

    model = MADE[name]()
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    given = [[round(float(cell), 3) for cell in row] for row in rows(2)[0]]
    names = ("one_row", "another_row")
    for stem, row, answer in zip(names, given, model.predict(given).tolist(), strict=True):
        (folder / "samples" / f"{stem}.csv").write_text(",".join(map(str, row)) + "\n")
        (folder / "samples" / f"{stem}.expected.csv").write_text(f"{answer!r}\n")
    columns = [{"name": f"x{number}", "type": "number"} for number in range(FEATURES)]
    described = {"input": {"type": "matrix", "columns": columns}, "output": {"accept": "text/csv"}}
    draft = folder / "manifest.json"
    draft.write_text(json.dumps(described))
    command = [sys.executable, "-m", "serving.manifest", str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "container" / "code")}, check=True, stdout=2)
