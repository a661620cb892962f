"""Data and programs of this machine on their way to S3; and what is in S3 already."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import s3 as objects
from deploy.errors import Refused
from deploy.job import places
from deploy.job.kinds import ROOT, JobFile
from deploy.progress import Say, say

CHUNK = 1 << 20  # bytes
SHORT = 16  # hexadecimal digits of a digest in an address


@dataclass(frozen=True)
class Sender:
    """
    Sends for one job.

    Attributes:
        bucket: where to.
        owner: the number of the account whose bucket it is.
        dry: only say where it would be.
    """

    job: JobFile
    s3: Any
    bucket: str
    owner: str
    dry: bool = False
    say: Say = say

    def data_set(self, data: str | None) -> str:
        """Return the address of the one file that is processed; raise `Refused` unless it is there."""
        named = self._named(data, self.job.process.data, "process")
        if named.rpartition("/")[2].startswith("-"):
            raise Refused(f"{named} begins with a hyphen, which a program takes for an option: rename it.")
        if named.startswith("s3://"):
            return self._object(named)
        path = _path(named)
        if path.is_dir():
            raise Refused(f"{path} is a folder: a processing job takes one file, and is told its name.")
        if not path.is_file():
            raise Refused(f"There is no data set {path}: a file or an address in S3 was expected.")
        return f"{self.send(path)}{path.name}"

    def channels(self, data: str | None) -> str:
        """Return the address below which each channel's folder lies; raise `Refused` unless all are there."""
        named = self._named(data, self.job.train.data, "train")
        if named.startswith("s3://"):
            url = f"{named.rstrip('/')}/"
            empty = [name for name in self.job.train.channels if not self._holds(f"{url}{name}/")]
        else:
            path = _path(named)
            empty = [name for name in self.job.train.channels if not (path / name).is_dir() or not _files(path / name)]
            url = str(path)
        if empty:
            raise Refused(
                f"{url} has no data for the channel {empty[0]}: looked below {url.rstrip('/')}/{empty[0]}/.",
                f"A processing job makes it: make process_job JOB={self.job.name}; or change train.channels.",
            )
        return url if named.startswith("s3://") else self.send(Path(url))

    def send(self, path: Path) -> str:
        """Put a file, or what is in a folder, into S3, unless it is there already; return the address of its folder."""
        if not path.exists():
            raise Refused(f"There is no {path}: a file or a folder was expected.")
        root = path if path.is_dir() else path.parent
        files = _files(path) if path.is_dir() else [path]
        if not files:
            raise Refused(f"{path} is empty: looked for files that are not hidden.")
        to = places.sent(self.job, self.bucket, digest_of(root, files))
        missing = [file for file in files if self._is_missing(file, to + file.relative_to(root).as_posix())]
        for file in [] if self.dry else missing:
            url = to + file.relative_to(root).as_posix()
            objects.send(self.s3, file, url, self.say, ExpectedBucketOwner=self.owner)
        if not self.dry:
            news = f"sent {path.name}, {_count(files)}:" if missing else f"{path.name} is there already:"
            self.say(f"- {news} {to}")
        return to

    def _named(self, given: str | None, known: str | None, table: str) -> str:
        named = given or known
        if not named:
            raise Refused(
                f"No data was named: DATA=… is a path or an address in S3; or {table}.data in deploy/jobs/"
                f"{self.job.name}.toml."
            )
        # One reads a folder to train, and an object to process.
        folder = named.rstrip("/") if table == "train" or "/" not in named[5:] else named.rpartition("/")[0]
        if named.startswith("s3://") and not self._may_be_read(folder):
            raise Refused(
                f"{named} is outside of what the job's role may read: s3://{self.bucket}/jobs/{self.job.name}/.",
                f'Add it in deploy/jobs/{self.job.name}.toml: reads = ["{folder}"]',
            )
        return named

    def _may_be_read(self, folder: str) -> bool:
        """Tell whether the role that is made for the job may read there; of another role one knows nothing."""
        may = (places.folder_of(self.job, self.bucket).url, *self.job.reads)
        return bool(self.job.role) or any(f"{folder}/".startswith(f"{one.rstrip('/')}/") for one in may)

    def _object(self, url: str) -> str:
        if not objects.find(self.s3, url):
            raise Refused(f"There is no object {url}: a processing job takes one, and is told its name.")
        return url

    def _holds(self, url: str) -> bool:
        return next(objects.objects(self.s3, url), None) is not None

    def _is_missing(self, file: Path, url: str) -> bool:
        if self.dry:
            return True
        found = objects.find(self.s3, url, ExpectedBucketOwner=self.owner)
        return found is None or found.size != file.stat().st_size


def digest_of(root: Path, files: Iterable[Path]) -> str:
    """Return what names these files below *root*, their names and what is in them."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()[:SHORT]


def _path(named: str) -> Path:
    """Return the path; one that is not there from here may be there from the root of the checkout."""
    path = Path(named)
    return path if path.exists() or not (ROOT / named).exists() else ROOT / named


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path.relative_to(folder))]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _count(files: list[Path]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"
