"""What is wrong with a model archive, in words: read once, in order, never extracted."""

import gzip
import hashlib
import posixpath
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from deploy.model.archive import PROGRAM
from deploy.progress import GB, MB, in_words, listed

LARGEST = 30 * GB  # the disk of a transform job; a serverless container has 5 GB, an instance what its disk holds
TAR = "tar --create --gzip --file model.tar.gz --directory FOLDER ."
CODE = "code"
ARCHIVE_END = 512  # bytes of zeros; tar writes two such blocks, and fills up
FORMATS: Mapping[bytes, str] = {
    b"PK\x03\x04": "a zip file",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
}


@dataclass(frozen=True)
class Examined:
    """
    An archive that was read to its end, or to where that made no sense.

    Attributes:
        faults: what is wrong with it, each with what to do about it.
        digest: SHA-256 of the tar inside, in hexadecimal. Unlike that of the file, it does not depend on the library
            that compressed it, and those differ between machines.
        size: of the tar inside, in bytes: about what it takes up when extracted.
    """

    faults: Sequence[str]
    digest: str
    size: int


def faults(archive: Path, largest: int = LARGEST) -> list[str]:
    """Return what is wrong with *archive*, nothing if SageMaker can extract it to a model of this server."""
    return list(examine(archive, largest).faults)


def examine(archive: Path, largest: int = LARGEST) -> Examined:
    """Read the archive; *largest* is how many bytes it may have when extracted."""
    with archive.open("rb") as file:
        beginning = file.read(ARCHIVE_END)
        if not beginning.startswith(b"\x1f\x8b"):
            return Examined([f"It is not compressed with gzip: {_what_it_is(beginning)}. Make it with: {TAR}"], "", 0)
        file.seek(0)
        return _examine(file, largest)


def _what_it_is(beginning: bytes) -> str:
    if beginning[257:262] == b"ustar":
        return "it is a tar that is not compressed"
    for start, name in FORMATS.items():
        if beginning.startswith(start):
            return f"it is {name}"
    return f"it begins with {beginning[:8]!r}" if beginning else "it is empty"


class TooLargeError(Exception):
    """More comes out of the archive than may."""


@dataclass
class _Stream:
    """What comes out of gzip; remembers how much that was, and where the last byte stood that is not zero."""

    packed: gzip.GzipFile
    most: int
    size: int = 0
    content_end: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def read(self, size: int) -> bytes:
        chunk = self.packed.read(size)
        self.digest.update(chunk)
        if content := chunk.rstrip(b"\0"):
            self.content_end = self.size + len(content)
        self.size += len(chunk)
        if self.size > self.most:
            raise TooLargeError
        return chunk


def _examine(file: IO[bytes], largest: int) -> Examined:
    members: list[tarfile.TarInfo] = []
    stream = _Stream(gzip.GzipFile(fileobj=file), largest)
    broken = _read(stream, members, largest)
    found = [broken] if broken else []
    return Examined([*found, *_faults_of(members, whole=not broken)], stream.digest.hexdigest(), stream.size)


def _read(stream: _Stream, members: list[tarfile.TarInfo], largest: int) -> str | None:
    """Collect the members; return why that went wrong, None if it did not."""
    try:
        tar_end = _read_through(stream, members)
    except TooLargeError:
        return f"It extracts to more than {in_words(largest)}, which does not fit on the disk it is extracted to."
    except EOFError:
        return "It is cut off: the file ends before the archive does. Copy or make it again."
    except (zlib.error, gzip.BadGzipFile) as error:
        return f"It is damaged: {error}. Copy or make it again."
    except tarfile.TarError as error:
        return f"What gzip holds is not a tar: {error}. Make it with: {TAR}"
    return _fault_of_the_end(stream, tar_end)


def _read_through(stream: _Stream, members: list[tarfile.TarInfo]) -> int:
    """Collect the members; return where tarfile saw the end, which may be anything that it could not read."""
    with tarfile.open(fileobj=stream, mode="r|", bufsize=MB) as archive:  # type: ignore[call-overload]
        members.extend(archive)
        tar_end: int = archive.offset
    while stream.read(MB):
        pass
    return tar_end


def _fault_of_the_end(stream: _Stream, tar_end: int) -> str | None:
    if stream.content_end > tar_end:
        return f"It goes on after its end: two archives in one file, or a damaged one. Make it with: {TAR}"
    if stream.size < tar_end + ARCHIVE_END:
        return "It is cut off: the tar inside has no end. Make it again."
    return None


def _faults_of(members: Sequence[tarfile.TarInfo], *, whole: bool) -> Iterator[str]:
    for breaks, words in RULES:
        if names := [member.name for member in members if breaks(member)]:
            yield f"{listed(names)}: {words}"
    names = [posixpath.normpath(member.name) for member in members if not member.isdir()]
    yield from _collisions(names)
    if whole:
        yield from _misplaced(names)


def _collisions(names: Sequence[str]) -> Iterator[str]:
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        yield f"{listed(twice)}: there more than once; the last one counts. Make the archive anew: {TAR}"
    spellings = Counter(name.casefold() for name in set(names))
    if alike := sorted(name for name in set(names) if spellings[name.casefold()] > 1):
        yield f"{listed(alike)}: differ only in case; on macOS and Windows one replaces the other. Rename one."


def _misplaced(names: Sequence[str]) -> Iterator[str]:
    if not names:
        yield f"There is no file in it. Make it with: {TAR}"
    elif PROGRAM in names and f"{CODE}/{PROGRAM}" not in names:
        yield f"{PROGRAM} lies at the top, where the server does not look: move it to {CODE}/{PROGRAM}."
    tops = {name.partition("/")[0] for name in names}
    if len(tops) == 1 and tops != {CODE} and all("/" in name for name in names):
        (top,) = tops
        yield (
            f"Everything lies in {top}/. SageMaker extracts to /opt/ml/model, so the files would lie at "
            f"/opt/ml/model/{top}/, where the server does not look. Pack what is in the folder: "
            f"{TAR.replace('FOLDER', top)}"
        )


def _is_special(member: tarfile.TarInfo) -> bool:
    return not (member.isfile() or member.isdir() or member.issym() or member.islnk())


def _is_unreadable(member: tarfile.TarInfo) -> bool:
    wanted = 0o005 if member.isdir() else 0o004
    return not (member.issym() or member.islnk()) and member.mode & wanted != wanted


def _is_of_macos(member: tarfile.TarInfo) -> bool:
    parts = member.name.split("/")
    return parts[-1].startswith("._") or ".DS_Store" in parts or "__MACOSX" in parts


def _has_attributes(member: tarfile.TarInfo) -> bool:
    return any(key.startswith(("LIBARCHIVE.", "SCHILY.", "RHT.")) for key in member.pax_headers)


Breaks = Callable[[tarfile.TarInfo], bool]
WITHOUT = "COPYFILE_DISABLE=1 tar --no-xattrs …"
RULES: Sequence[tuple[Breaks, str]] = (
    (lambda one: one.name.startswith("/"), f"an absolute path, outside /opt/ml/model. Make it with: {TAR}"),
    (lambda one: ".." in one.name.split("/"), f"leads out of /opt/ml/model by its dots. Make it with: {TAR}"),
    (lambda one: one.issym(), "a link. Pack what it leads to: tar --dereference …"),
    (lambda one: one.islnk(), "a hard link. Pack the file itself: tar --hard-dereference …"),
    (_is_special, "neither file nor folder, but a device or a pipe. Take it out."),
    (_is_unreadable, "not readable for the user that the container may run as: chmod -R a+rX FOLDER, and pack again."),
    (lambda one: bool(one.mode & 0o6000), "runs as its owner, by a setuid or setgid bit: chmod ug-s it."),
    (_is_of_macos, f"macOS's own notes, in which the server could look for a model. Leave them out: {WITHOUT}"),
    (_has_attributes, f"carries attributes of the file system it comes from. Leave them out: {WITHOUT}"),
)
