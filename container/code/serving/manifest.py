"""The model folder's manifest: what its files are, which libraries wrote them, and what goes in and out.

`python -m serving.manifest FOLDER [LIBRARY ...]` writes it, keeping the other parts that are there.
"""

import argparse
import contextlib
import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import filterfalse
from pathlib import Path
from typing import Any

from serving.errors import StartError

FILE_NAME = "manifest.json"
NOT_HASHED = {"code", "samples", "__pycache__"}  # written by people, and read by them when they change
FOR_BUYERS = "marketplace"  # at the top: no image and no archive has it
DEFAULT_LIBRARIES = ("scikit-learn", "numpy", "pandas", "joblib", "xgboost-cpu")

SAME_LIBRARY = {"xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost"}  # one library, built with and without GPUs


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says; an absent file is an empty manifest."""

    files: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    compiled: Mapping[str, Any] = field(default_factory=dict)

    @property
    def batching(self) -> bool | None:
        """Return whether requests are to be answered together, None for what the samples prove."""
        return self.serving.get("batching")


PARTS = ("files", "libraries", "input", "output", "serving", "compiled")


def read_manifest(model_dir: Path) -> Manifest:
    """Read *model_dir*'s manifest; raise `StartError` when it is not one."""
    path = model_dir / FILE_NAME
    if not path.is_file():
        return Manifest()
    try:
        content = json.loads(path.read_text())
        parts = {key: dict(content.get(key, {})) for key in PARTS}
        refuse_unknown(parts["serving"])
    except (ValueError, TypeError, AttributeError) as error:
        raise StartError(
            f"{path} is not a manifest: {error}. Write it anew with `make manifest MODEL={model_dir}`."
        ) from None
    return Manifest(**parts)


def refuse_unknown(serving: Mapping[str, Any]) -> None:
    """Raise `ValueError` for what `serving` cannot say."""
    for name, value in serving.items():
        if name != "batching" or not isinstance(value, bool):
            raise ValueError(f'serving takes "batching": true or false, and has {name!r:.50}: {value!r:.50}')


def verify_files(manifest: Manifest, model_dir: Path) -> None:
    """Raise `StartError` unless every file of the manifest is there with the hash it had."""
    for name, expected in manifest.files.items():
        path = model_dir / name
        found = file_hash(path) if path.is_file() else "no such file"
        if found != expected:
            raise StartError(
                f"{path} is not the file that {FILE_NAME} describes: expected {expected}, found {found}. "
                f"Restore the file, or accept it with `make manifest MODEL={model_dir}`."
            )


def version_differences(manifest: Manifest) -> list[str]:
    """Return a phrase for each library whose version here is not the one that wrote the model."""
    return [
        f"{name} {installed_version(name) or 'is missing'} here, {expected} in {FILE_NAME}"
        for name, expected in manifest.libraries.items()
        if installed_version(name) != expected and name != "python"
    ]


def installed_version(name: str) -> str | None:
    """Return the version of the distribution *name*, None when it is not installed."""
    if name == "python":
        return platform.python_version()
    for distribution in (name, SAME_LIBRARY.get(name, name)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(distribution)
    return None


def write_manifest(  # noqa: PLR0913 - the parts of a manifest
    model_dir: Path,
    *,
    libraries: Sequence[str],
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the manifest's own word
    output: Mapping[str, Any] | None = None,
    serving: Mapping[str, Any] | None = None,
    compiled: Mapping[str, Any] | None = None,
) -> Path:
    """
    Write `manifest.json` for the files in *model_dir* and return its path.

    Args:
        libraries: distributions whose installed versions are recorded, such as `scikit-learn`.
        input: the schema of a request, as in docs/writing-a-model.md; None leaves it to the model.
        output: `{"accept": media type}`, the answer's default type.
        serving: `{"batching": true or false}`; None leaves it to what the samples prove.
        compiled: what `python -m compiling` found; without it a `model.onnx` is not served.
    """
    versions = {name: installed_version(name) for name in ("python", *libraries)}
    content = {
        "files": {str(path.relative_to(model_dir)): file_hash(path) for path in model_files(model_dir)},
        "libraries": {name: version for name, version in versions.items() if version},
        "input": dict(input or {}),
        "output": dict(output or {}),
        "serving": dict(serving or {}),
        "compiled": dict(compiled or {}),
    }
    path = model_dir / FILE_NAME
    path.write_text(json.dumps({key: part for key, part in content.items() if part}, indent=2) + "\n")
    return path


def model_files(model_dir: Path) -> Iterator[Path]:
    """Yield the files that are the model: not its code, samples, notes or training program."""
    for path in sorted(model_dir.rglob("*")):
        parts = path.relative_to(model_dir).parts
        hidden = any(part.startswith(".") for part in parts)
        ours = path.name == FILE_NAME or path.suffix in (".md", ".py") or hidden
        if path.is_file() and not ours and parts[0] != FOR_BUYERS and not NOT_HASHED & set(parts):
            yield path


def file_hash(path: Path) -> str:
    """Return `sha256:` and the digest of the file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def present_manifest(model_dir: Path) -> Manifest:
    """Return the manifest that is there, an empty one when it cannot be read."""
    try:
        return read_manifest(model_dir)
    except StartError as error:
        print(f"{error} Starting from an empty one.", file=sys.stderr)
        return Manifest()


def main() -> None:
    """Write the manifest of the folder that the command line names, and print its path."""
    parser = argparse.ArgumentParser(prog="python -m serving.manifest", description=__doc__)
    parser.add_argument("folder", type=Path, help="the model folder")
    parser.add_argument("library", nargs="*", default=DEFAULT_LIBRARIES, help="recorded with its version")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder")
    if arguments.library is not DEFAULT_LIBRARIES and (unknown := [*filterfalse(installed_version, arguments.library)]):
        parser.error(f"not installed here: {', '.join(unknown)}")
    before = present_manifest(arguments.folder)
    kept = {"input": before.input, "output": before.output, "serving": before.serving, "compiled": before.compiled}
    print(write_manifest(arguments.folder, libraries=arguments.library, **kept))


if __name__ == "__main__":
    main()
