"""The SageMaker Python SDK's local mode, which mounts and runs a container a little differently."""

import shutil
import tarfile

from contract.clauses import PROFILES, clause
from contract.surroundings import require_answer
from contract.targets import ImageTarget


@clause(
    "10.02",
    "work in the SDK's local mode too",
    "Open the model's files by their names, and ignore others in /opt/ml/model; take a terminal for a log like any.",
    recommended=PROFILES,
)
def test_local_modes_surroundings_will_do(target, start, answer, sample, tmp_path, saw):
    """Starts it with a terminal, the model folder writable and with model.tar.gz in it, and sends the sample."""
    options = ("--interactive", "--tty") if isinstance(target, ImageTarget) else ()
    model = with_archive(target.model, tmp_path / "model") if target.model else None
    if model and options:
        options, model = (*options, "--volume", f"{model}:/opt/ml/model"), None
    require_answer(start(*options, model=model), sample, saw)


def with_archive(model, folder):
    """Return a copy of the model folder which holds itself, packed, as the SDK leaves it."""
    shutil.copytree(model, folder)
    packed = folder.with_suffix(".tar.gz")
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        archive.add(model, arcname=".")
    packed.rename(folder / "model.tar.gz")
    return folder
