"""Each way in which an archive can be broken has its own words, and they say what to do."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import zipfile

import pytest

from deploy.model.archive_check import LARGEST, TAR, examine, faults
from deploy.progress import MB

WITHOUT = "COPYFILE_DISABLE=1 tar --no-xattrs …"


def tar_of(*entries, **options):
    """Return a tar of `(name, content or type, attributes)`; a fine model lies in it as well."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **options) as archive:
        for name, content, attributes in (("model.joblib", b"1", {}), *entries):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "model.tar.gz"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def found(write):
    """Return what is wrong with an archive of these entries."""
    return lambda *entries, **options: faults(write(gzip.compress(tar_of(*entries, **options))))


def entry(name, content=b"", **attributes):
    return name, content, attributes


def test_a_fine_archive_has_no_faults(found):
    assert found(entry("code", type=tarfile.DIRTYPE, mode=0o755), entry("code/inference.py")) == []


def test_names_may_begin_with_a_dot_and_a_slash(write):
    content = tar_of(entry(".", type=tarfile.DIRTYPE, mode=0o755), entry("./code/inference.py"))
    assert faults(write(gzip.compress(content))) == []


MEMBERS = {
    "absolute path": (
        entry("/etc/passwd"),
        f"/etc/passwd: an absolute path, outside /opt/ml/model. Make it with: {TAR}",
    ),
    "dots": (entry("code/../../up"), f"code/../../up: leads out of /opt/ml/model by its dots. Make it with: {TAR}"),
    "link": (
        entry("latest", type=tarfile.SYMTYPE, linkname="model.joblib"),
        "latest: a link. Pack what it leads to: tar --dereference …",
    ),
    "hard link": (
        entry("again", type=tarfile.LNKTYPE, linkname="model.joblib"),
        "again: a hard link. Pack the file itself: tar --hard-dereference …",
    ),
    "device": (
        entry("null", type=tarfile.CHRTYPE),
        "null: neither file nor folder, but a device or a pipe. Take it out.",
    ),
    "pipe": (
        entry("pipe", type=tarfile.FIFOTYPE),
        "pipe: neither file nor folder, but a device or a pipe. Take it out.",
    ),
    "unreadable file": (
        entry("weights", mode=0o600),
        "weights: not readable for the user that the container may run as: chmod -R a+rX FOLDER, and pack again.",
    ),
    "unreadable folder": (
        entry("code", type=tarfile.DIRTYPE, mode=0o744),
        "code: not readable for the user that the container may run as: chmod -R a+rX FOLDER, and pack again.",
    ),
    "setuid": (
        entry("tool", mode=0o4755),
        "tool: runs as its owner, by a setuid or setgid bit: chmod ug-s it.",
    ),
    "macOS's notes": (
        entry("._model.joblib"),
        f"._model.joblib: macOS's own notes, in which the server could look for a model. Leave them out: {WITHOUT}",
    ),
    "macOS's folder": (
        entry("__MACOSX/x"),
        f"__MACOSX/x: macOS's own notes, in which the server could look for a model. Leave them out: {WITHOUT}",
    ),
    "attributes": (
        entry("x", pax_headers={"LIBARCHIVE.xattr.com.apple.provenance": "AQAA"}),
        f"x: carries attributes of the file system it comes from. Leave them out: {WITHOUT}",
    ),
    "twice": (
        entry("./model.joblib"),
        f"model.joblib: there more than once; the last one counts. Make the archive anew: {TAR}",
    ),
    "case": (
        entry("Model.joblib"),
        "Model.joblib, model.joblib: differ only in case; on macOS and Windows one replaces the other. Rename one.",
    ),
    "hooks at the top": (
        entry("inference.py"),
        "inference.py lies at the top, where the server does not look: move it to code/inference.py.",
    ),
}


@pytest.mark.parametrize("way", MEMBERS)
def test_what_is_wrong_with_a_member_is_said(found, way):
    member, words = MEMBERS[way]
    assert found(member) == [words]


def test_faults_of_one_kind_share_a_line_and_all_kinds_are_said(found):
    links = [entry(f"{number}", type=tarfile.SYMTYPE, linkname="x") for number in range(7)]
    assert found(*links, entry("tool", mode=0o4755)) == [
        "0, 1, 2, 3, 4 and 2 more: a link. Pack what it leads to: tar --dereference …",
        "tool: runs as its owner, by a setuid or setgid bit: chmod ug-s it.",
    ]


def test_a_name_cannot_write_to_the_terminal(found):
    (line,) = found(entry("\x1b[31m", mode=0o4755))
    assert line.startswith(r"'\x1b[31m': runs as its owner")


def test_a_folder_around_everything_is_named_with_the_command_that_leaves_it_out(tmp_path):
    model = tmp_path / "models" / "abalone" / "code"
    model.mkdir(parents=True)
    (model / "inference.py").write_text("")
    (model.parent / "model.joblib").write_text("")
    archive = tmp_path / "model.tar.gz"
    here = tmp_path / "models"
    subprocess.run(["tar", "--create", "--gzip", "--file", archive, "--directory", here, "abalone"], check=True)
    (line,) = faults(archive)
    assert line == (
        "Everything lies in abalone/. SageMaker extracts to /opt/ml/model, so the files would lie at "
        "/opt/ml/model/abalone/, where the server does not look. Pack what is in the folder: "
        "tar --create --gzip --file model.tar.gz --directory abalone ."
    )


def test_the_command_that_every_message_names_makes_a_fine_archive(tmp_path):
    model = tmp_path / "FOLDER"
    model.mkdir()
    (model / "model.joblib").write_text("")
    subprocess.run(TAR.split(), cwd=tmp_path, check=True)
    assert faults(tmp_path / "model.tar.gz") == []


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "What gzip holds is not a tar: empty file."), (bytes(10240), "There is no file in it.")],
    ids=["no tar", "an empty tar"],
)
def test_an_archive_without_files_is_said_to_be_empty(write, content, what):
    assert faults(write(gzip.compress(content))) == [f"{what} Make it with: {TAR}"]


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model.joblib", "")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (tar_of(), "it is a tar that is not compressed"),
        (zipped(), "it is a zip file"),
        (bz2.compress(tar_of()), "it is compressed with bzip2"),
        (lzma.compress(tar_of()), "it is compressed with xz"),
        (b"\x28\xb5\x2f\xfd\x00", "it is compressed with zstd"),
        (b"<!DOCTYPE html>", "it begins with b'<!DOCTYP'"),
    ],
)
def test_what_is_not_gzip_is_named(write, content, what):
    assert faults(write(content)) == [f"It is not compressed with gzip: {what}. Make it with: {TAR}"]


def test_gzip_that_holds_no_tar_is_refused(write):
    (line,) = faults(write(gzip.compress(b"weights" * 1000)))
    assert line.startswith("What gzip holds is not a tar: ")
    assert line.endswith(f". Make it with: {TAR}")


NOISE = os.urandom(50_000)
CUT = "It is cut off: the file ends before the archive does. Copy or make it again."


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.999])
def test_a_file_that_was_not_copied_whole_is_cut_off(write, part):
    whole = gzip.compress(tar_of(entry("weights", NOISE), entry("more", NOISE)))
    assert faults(write(whole[: int(len(whole) * part)])) == [CUT]


def test_a_tar_that_was_cut_between_files_is_cut_off(write):
    """The command that wrote it was stopped, and gzip closed what it had."""
    assert faults(write(gzip.compress(tar_of()[:1024]))) == ["It is cut off: the tar inside has no end. Make it again."]


def test_a_tar_that_was_cut_in_a_file_is_cut_off(write):
    (line,) = faults(write(gzip.compress(tar_of(entry("weights", NOISE))[:20_000])))
    assert line == f"What gzip holds is not a tar: unexpected end of data. Make it with: {TAR}"


def test_changed_bytes_are_noticed(write):
    whole = bytearray(gzip.compress(tar_of(entry("weights", NOISE))))
    whole[len(whole) // 2] ^= 0xFF
    (line,) = faults(write(bytes(whole)))
    assert line.startswith("It is damaged: ")
    assert line.endswith(". Copy or make it again.")


AFTER = f"It goes on after its end: two archives in one file, or a damaged one. Make it with: {TAR}"


def test_two_archives_in_one_file_are_noticed(write):
    """Tar would stop at the first one's end, and leave the rest out without a word."""
    one = gzip.compress(tar_of())
    assert faults(write(one + one)) == [AFTER]


def test_a_header_that_cannot_be_read_does_not_pass_for_the_end(write):
    content = bytearray(tar_of(entry("weights", NOISE)))
    content[1024 + 148] ^= 0xFF  # in the second header's checksum
    assert AFTER in faults(write(gzip.compress(bytes(content))))


def test_an_archive_that_is_too_large_when_extracted_is_not_read_to_its_end(write):
    path = write(gzip.compress(tar_of(entry("weights", bytes(40 * MB)))))
    examined = examine(path, largest=10 * MB)
    assert examined.faults == ["It extracts to more than 10.0 MB, which does not fit on the disk it is extracted to."]
    assert examined.size < 20 * MB
    assert faults(path, largest=LARGEST) == []


def test_memory_does_not_grow_with_the_archive(write):
    import tracemalloc

    path = write(gzip.compress(tar_of(entry("weights", bytes(100 * MB)))))
    tracemalloc.start()
    try:
        assert faults(path) == []
        assert tracemalloc.get_traced_memory()[1] < 20 * MB
    finally:
        tracemalloc.stop()
