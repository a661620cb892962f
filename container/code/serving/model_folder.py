"""The model in its folder: which file it is, and how it is read when no `model_fn` says so."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.errors import StartError
from serving.hooks import described
from serving.manifest import FILE_NAME, Manifest, installed_version, version_differences

PICKLES = (".joblib", ".pkl", ".pickle")
XGBOOST_CLASSIC = "xgboost-model"  # what SageMaker's own XGBoost containers write, in one of three formats
XGBOOST_HEADER = b'"learner"'
VERSION_IN_PICKLE = re.compile(rb"_sklearn_version.{1,6}?(\d+\.\d+(?:\.\w+)*)", re.DOTALL)


def require_folder(model_dir: Path) -> None:
    """Raise `StartError` unless *model_dir* is a folder with something in it."""
    if not model_dir.is_dir():
        found = "a file" if model_dir.exists() else "nothing"
        raise StartError(
            f"No model folder: looked for {model_dir}, found {found}. Mount the model there "
            "(docker run -v FOLDER:/opt/ml/model:ro ...), or set SM_MODEL_DIR."
        )
    if not any(model_dir.iterdir()):
        raise StartError(
            f"The model folder {model_dir} is empty. Put the model's files in it; if it was extracted from a "
            "model.tar.gz, the files must be at the archive's top level."
        )


def load_without_code(model_dir: Path, manifest: Manifest, program: Path) -> Any:
    """Load the only file in *model_dir* that is a model; *program* is where a `model_fn` would be."""
    path = only_candidate(model_dir, program)
    require_hash(path, manifest)
    return loader_of(path)(path, manifest)


def require_hash(path: Path, manifest: Manifest) -> None:
    """Raise `StartError` for a model of which a manifest with hashes has none: unpickling runs what is in the file."""
    if manifest.files and path.name not in manifest.files:
        raise StartError(
            f"{FILE_NAME} has the hashes of {', '.join(sorted(manifest.files)):.200}, and none of {path}, which would "
            f"be loaded. Take the file away, or accept it with `make manifest MODEL={path.parent}`."
        )


def only_candidate(model_dir: Path, program: Path) -> Path:
    """Return the only file that can be served without code; raise `StartError` when there are none or several."""
    candidates = [path for path in sorted(model_dir.iterdir()) if path.is_file() and is_candidate(path)]
    if not candidates:
        raise StartError(
            f"{model_dir} holds no model that can be served without code: looked for {', '.join(PICKLES)} "
            f"(scikit-learn), .ubj, .json or {XGBOOST_CLASSIC} (XGBoost); found {listing(model_dir)}. "
            f"{advice_on(program)}"
        )
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise StartError(
            f"{model_dir} holds several models: {names}. Keep one, or let a model_fn choose: {advice_on(program)}"
        )
    return candidates[0]


def advice_on(program: Path) -> str:
    """Return how to come by a `model_fn`."""
    if program.is_file():
        return f"{program} defines no model_fn(model_dir): add one."
    return f"Write {program} with a model_fn(model_dir)."


def listing(folder: Path) -> str:
    """Return the names in *folder*, folders with a slash, as many as a message bears."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def is_candidate(path: Path) -> bool:
    """Tell whether the file is a model by its name and, for JSON, by its beginning."""
    if path.suffix == ".json":
        return path.name != FILE_NAME and XGBOOST_HEADER in first_bytes(path, 64)
    return path.name == XGBOOST_CLASSIC or path.suffix in (*PICKLES, ".ubj")


def first_bytes(path: Path, count: int) -> bytes:
    """Return the beginning of a file, however large it is."""
    with path.open("rb") as file:
        return file.read(count)


def loader_of(path: Path) -> Callable[[Path, Manifest], Any]:
    """Return what reads the file; the classic XGBoost file may be a pickle, told by its first byte."""
    if path.suffix in PICKLES or first_bytes(path, 1) == b"\x80":
        return load_pickle
    return load_xgboost


def load_pickle(path: Path, manifest: Manifest) -> Any:
    """Unpickle an estimator; a failure names the library versions that were found and expected."""
    import joblib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's version warning: `report_versions` says it in one line
        try:
            return joblib.load(path)
        except Exception as error:
            raise StartError(
                f"{path} cannot be unpickled: {described(error)}. {versions_found_and_expected(path, manifest)}"
            ) from error


def versions_found_and_expected(path: Path, manifest: Manifest) -> str:
    """Return what is known of the libraries that wrote the file and of those that are here."""
    differences = version_differences(manifest)
    here, written_by = installed_version("scikit-learn"), sklearn_version_in(path)
    if not manifest.libraries and written_by and written_by != here:
        differences = [f"scikit-learn {here} here, {written_by} in the file"]
    if differences:
        return f"Versions differ: {'; '.join(differences)}. Install the expected ones, or train with those here."
    if manifest.libraries:
        return (
            f"The library versions are those of {FILE_NAME}: the file may be damaged, or need a module of yours. "
            "Restore the file, or put the module into code/ beside an inference.py."
        )
    return f"There is no {FILE_NAME} to compare library versions with; `make manifest` writes one at training time."


def sklearn_version_in(path: Path) -> str | None:
    """Return the scikit-learn version that an uncompressed pickle mentions, None if it does not."""
    found = VERSION_IN_PICKLE.search(path.read_bytes())
    return found.group(1).decode() if found else None


def load_xgboost(path: Path, manifest: Manifest) -> Any:
    """Load a Booster from JSON, UBJSON or XGBoost's own classic file."""
    import xgboost

    try:
        content = bytearray(path.read_bytes())
        if not content:
            raise ValueError("the file is empty")  # XGBoost itself would end the process
        booster = xgboost.Booster()
        booster.load_model(content)
        return booster
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise StartError(
            f"{path} is not a model that XGBoost {xgboost.__version__} reads: {first_line:.200}. "
            f"{versions_found_and_expected(path, manifest)}"
        ) from error
