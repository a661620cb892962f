"""Make a model's archive, check one that somebody else made, and send either to S3."""

from pathlib import Path
from typing import Any

from deploy.errors import Refused
from deploy.facts import Account
from deploy.model.archive import pack
from deploy.model.archive_check import examine
from deploy.model.artifacts import ARCHIVE, SUFFIX, upload
from deploy.progress import Say, in_words, say
from deploy.stage.new import model_folder

ARCHIVES = Path(__file__).parents[2] / ".cache" / "archives"


def package(model: str, into: Path | None = None, say: Say = say, archives: Path = ARCHIVES) -> Path:
    """
    Return the archive of a model: a folder of models/, a path, or an archive that is there already.

    Args:
        into: the file to write, `NAME/model.tar.gz` in *archives* by default.

    Raises:
        Refused: if the folder cannot be packed, or the archive is not what SageMaker can extract.
    """
    found = _found(model)
    if found.is_file():
        if into:
            raise Refused(f"{found} is an archive already: copy it, or name the model's folder.")
        verify(found, say)
        return found
    if into and into.is_dir():
        raise Refused(f"{into} is a folder: name the file to write, such as {into / ARCHIVE}.")
    archive = pack(found, into or archives / found.name / ARCHIVE, say)
    verify(archive, say)
    return archive


def send(model: str, s3: Any, account: Account, bucket: str, say: Say = say) -> str:
    """Put a model's archive into S3 and return its address; raise `Refused` as `package` does."""
    return upload(s3, account, bucket, _found(model), say).url


def verify(archive: Path, say: Say = say) -> None:
    """Raise `Refused` with everything that is wrong with an archive."""
    if not archive.is_file():
        raise Refused(f"There is no archive {archive}: a file was expected.")
    examined = examine(archive)
    if examined.faults:
        raise Refused(f"{archive} cannot be a model's archive:", *examined.faults)
    sizes = f"{in_words(archive.stat().st_size)}, {in_words(examined.size)} when extracted"
    say(f"- {archive} is fine: {sizes}; its content is {examined.digest}")


def _found(model: str) -> Path:
    """Return the archive or the model folder that *model* names."""
    if model.endswith(SUFFIX) and Path(model).is_file():
        return Path(model)
    folder = model_folder(model)
    if folder is None:
        raise Refused(f"{model} is in S3 already.", "To check it, fetch it and name the file: aws s3 cp …")
    return folder
