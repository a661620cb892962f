"""Pack a model folder into the archive that SageMaker extracts to /opt/ml/model: equal folders make equal archives."""

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from deploy.errors import Refused
from deploy.progress import Progress, Say, listed, say

# What is kept out of images (.dockerignore), and what macOS and editors leave behind.
LEFT_OUT = (
    "__pycache__",
    "*.pyc",
    ".DS_Store",
    "._*",
    ".ipynb_checkpoints",
    ".*_cache",
    ".venv",
    ".aws",
    ".env",
    ".git",
    ".netrc",
    ".ssh",
    "*.key",
    "id_rsa",
    "id_ed25519",
)
FOR_BUYERS = "marketplace"  # at the top, and left out as well
NO_MODEL = ("*.md", "manifest.json", "samples/*", "*.py")  # at the top: for people, or about the model
PROGRAM = "inference.py"
WHEN = 315_532_800  # 1980-01-01: old programs find 1970 implausible


def pack(folder: Path, into: Path, say: Say = say) -> Path:
    """
    Write the archive of the model folder to the file *into* and return that.

    Nothing of the machine is in it: no times, owners, umask or order of the file system. What does not belong is left
    out. A link to a file of the folder becomes that file; SageMaker says nothing of links in archives. Any other link
    is refused: in the container it would lead nowhere, or it would take along what nobody meant to upload.

    Raises:
        Refused: if the folder could not be served, or not be read; says everything that is wrong.
    """
    folder, into = folder.resolve(), into.absolute()
    if into.is_relative_to(folder):
        raise Refused(f"{into} lies in the model folder: it would be packed with the model next time.")
    files = _files_of(folder, say)
    total = sum(path.stat().st_size for _, path in files)
    progress = Progress(f"packing {folder.name}", total, say)
    with _replacing(into) as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        _write(packed, files, progress)
    return into


def _files_of(folder: Path, say: Say) -> list[tuple[str, Path]]:
    """Return the files by their names in the archive, in order; raise `Refused` unless they are a model."""
    files: list[tuple[str, Path]] = []
    left_out: list[str] = []
    faults: list[str] = []
    for path in _walk(folder, left_out):
        name = path.relative_to(folder).as_posix()
        if fault := _fault_of(path, folder):
            faults.append(f"{name} {fault}")
        files.append((name, path))
    faults.extend(_faults_of_all({name for name, _ in files}))
    if faults:
        raise Refused(f"{folder} cannot be packed:", *faults)
    if left_out:
        say(f"- left out of the archive: {listed(sorted(left_out))}")
    return sorted(files)


def _walk(folder: Path, left_out: list[str]) -> Iterator[Path]:
    """Yield what is not a folder itself, and note what is left out."""

    def unreadable(error: OSError) -> None:
        raise Refused(f"{error.filename} cannot be read: {error.strerror}.") from error

    for root, folders, files in os.walk(folder, onerror=unreadable):
        for names in (folders, files):
            patterns = (*LEFT_OUT, FOR_BUYERS) if Path(root) == folder else LEFT_OUT
            unwanted = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
            left_out.extend(Path(root, name).relative_to(folder).as_posix() for name in unwanted)
            names[:] = [name for name in names if name not in unwanted]
        yield from (Path(root, name) for name in folders if Path(root, name).is_symlink())
        yield from (Path(root, name) for name in files)


def _fault_of(path: Path, folder: Path) -> str | None:
    """Return what is wrong with something in the folder, None if it can be packed."""
    if path.is_symlink():
        target = path.resolve()
        if not (target.is_file() and target.is_relative_to(folder)):
            return f"is a link to {path.readlink()}, which is no file in the folder: put the file itself there."
    elif not stat.S_ISREG(path.lstat().st_mode):
        return "is neither a file nor a folder: take it away."
    try:
        path.open("rb").close()
    except OSError as error:
        return f"cannot be read: {error.strerror}."
    return None


def _faults_of_all(names: set[str]) -> Iterator[str]:
    if all(any(_matches(name, pattern) for pattern in NO_MODEL) for name in names):
        yield (
            f"it holds no model: found {listed(sorted(names)) or 'nothing'}. "
            "Put the model's files at its top, or code/inference.py."
        )
    if PROGRAM in names and f"code/{PROGRAM}" not in names:
        yield f"{PROGRAM} lies at the top, where the server does not look: move it to code/{PROGRAM}."


def _matches(name: str, pattern: str) -> bool:
    """Tell whether the name fits; a pattern without a slash is for the top alone."""
    return fnmatch(name, pattern) and ("/" in pattern or "/" not in name)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside *path* that takes its place once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _write(packed: gzip.GzipFile, files: list[tuple[str, Path]], progress: Progress) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted({str(parent) for name, _ in files for parent in list(Path(name).parents)[:-1]}):
            archive.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        for name, path in files:
            with path.open("rb") as file:
                about = os.fstat(file.fileno())
                mode = 0o755 if about.st_mode & stat.S_IXUSR else 0o644
                archive.addfile(_member(name, tarfile.REGTYPE, mode, about.st_size), _Watched(file, progress))


def _member(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.mtime = kind, mode, size, WHEN
    return member


class _Watched:
    """A file that is read under watch."""

    def __init__(self, file: IO[bytes], progress: Progress):
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._progress(len(chunk))
        return chunk
