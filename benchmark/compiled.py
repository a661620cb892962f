"""The compiled form of a model: a complete model folder, made by a command of this repository."""

import os
import shutil
import subprocess
from pathlib import Path

from benchmark.catalogue import CACHE, PYTHON, ROOT
from benchmark.environments import last_error
from benchmark.errors import Unfit, say
from benchmark.model import Model

PROGRAM = ROOT / "compiling" / "__main__.py"


def command(model: Model, target: Path) -> list[str]:
    """Return how *model* is compiled into the folder *target*."""
    return [str(PYTHON), "-m", "compiling", str(model.folder), "--to", str(target)]


def compiled_folder(model: Model, cache: Path = CACHE, program: Path = PROGRAM) -> Path:
    """Return the folder of the compiled form, made anew; raise `Unfit` where there is none."""
    if not program.exists():
        raise Unfit(f"models cannot be compiled here: looked for {program.relative_to(program.parent.parent)}")
    target = cache / "compiled" / model.name
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    say(f"- compiling {model.name}")
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'container' / 'code'}"}
    done = subprocess.run(command(model, target), env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unfit(f"{model.name} was not compiled: {last_error(done.stderr or done.stdout)}")
    return target
