"""After training: the model folder gets its code and its manifest, and proves that it can be served as it stands."""

import contextlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from serving.launch import SignalNotes
from serving.manifest import DEFAULT_LIBRARIES, FILE_NAME, installed_version, write_manifest
from serving.processes import PROGRAM_DIR
from training.errors import TrainingError
from training.running import Ended, run
from training.script import PROGRAM, SUBMITTED, Script

HOOKS = "inference.py"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".*_cache")
SERVE = PROGRAM_DIR / "serve"


def require_model(model: Path, script: Script, ended: Ended) -> None:
    """Raise `TrainingError` if the program has ended well, but wrote nothing."""
    if not any(path.is_file() for path in model.rglob("*")):
        stopped = "was told to stop (SIGTERM), and " if ended.stopped else ""
        raise TrainingError(
            f"{script.name} {stopped}ended with status 0, but {model} is empty. A script has to write its model into "
            "the folder that SM_MODEL_DIR names."
        )


def complete(model: Path, script: Script) -> None:
    """Bring the model folder what `serve` needs, but for what the script has put there itself."""
    if (script.code / HOOKS).is_file() and not (model / "code").exists():
        shutil.copytree(script.code, model / "code", ignore=LEFT_OUT)
    if not (model / FILE_NAME).exists():
        write_manifest(model, libraries=[name for name in DEFAULT_LIBRARIES if installed_version(name)])


def require_servable(model: Path, environ: Mapping[str, str], notes: SignalNotes) -> None:
    """Load the model and replay its samples, as `serve --check`; raise `TrainingError` with what that says."""
    kept = {name: value for name, value in environ.items() if name not in (PROGRAM, SUBMITTED)}
    checked = run([sys.executable, str(SERVE), "--check"], {**kept, "SM_MODEL_DIR": str(model)}, PROGRAM_DIR, notes)
    if checked.status and not checked.stopped:  # told to stop, there is no time for the proof; the model is whole
        raise TrainingError(f"The model was trained, but it cannot be served: {reason_in(checked.log)}")


def reason_in(log: str) -> str:
    """Return the last message of the server's log, without its beginning."""
    lines = [line for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["message"]).removeprefix("cannot start: ")
    return lines[-1] if lines else "serve --check ended without a word"
