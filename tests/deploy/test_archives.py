"""A model folder becomes an archive that holds the model, and nothing of the machine that made it."""

import contextlib
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from builders import folder
from deploy.errors import Refused
from deploy.model.archive import LEFT_OUT, pack
from deploy.model.archive_check import examine, faults
from deploy.progress import LARGE, Progress, in_words, say
from server import MODELS, PROGRAM, ROOT

MODEL = {"model.joblib": b"\x80\x04", "code/inference.py": "# hooks", "code/deep/er.py": "", "README.md": "A model."}


@pytest.fixture
def said():
    return []


def packed(root, into, said):
    return pack(root, into / "model.tar.gz", said.append)


def members(archive):
    with tarfile.open(archive) as tar:
        return tar.getmembers()


def names(archive):
    return [member.name for member in members(archive)]


def refusal(root, tmp_path):
    with pytest.raises(Refused) as caught:
        packed(root, tmp_path / "out", [])
    return caught.value.lines


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def as_nobody():
    """Root reads everything; so it is nobody for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public():
    """A folder that nobody can enter: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


def test_files_lie_at_the_archives_top_in_order(tmp_path, said):
    archive = packed(folder(tmp_path / "mine", MODEL), tmp_path, said)
    expected = ["code", "code/deep", "README.md", "code/deep/er.py", "code/inference.py", "model.joblib"]
    assert names(archive) == expected
    assert faults(archive) == []
    assert said == []


def test_what_is_packed_is_what_was_there(tmp_path, said):
    archive = packed(folder(tmp_path / "mine", MODEL), tmp_path, said)
    with tarfile.open(archive) as tar:
        assert tar.extractfile("model.joblib").read() == b"\x80\x04"


def test_equal_folders_make_equal_archives(tmp_path, said):
    first = packed(folder(tmp_path / "mine", MODEL), tmp_path / "1", said).read_bytes()
    with umask(0o077):
        other = folder(tmp_path / "other", dict(reversed(MODEL.items())))
        os.utime(other / "model.joblib", (1, 1))
        second = packed(other, tmp_path / "2", said).read_bytes()
    assert first == second


def test_nothing_tells_whose_machine_it_was(tmp_path, said):
    for member in members(packed(folder(tmp_path / "mine", MODEL), tmp_path, said)):
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 315_532_800)
        assert member.pax_headers == {}
        assert member.mode == (0o755 if member.isdir() else 0o644)


def test_a_program_stays_one(tmp_path, said):
    root = folder(tmp_path / "mine", {**MODEL, "code/tool": "#!/bin/sh"})
    (root / "code" / "tool").chmod(0o700)
    (tool,) = [member for member in members(packed(root, tmp_path, said)) if member.name == "code/tool"]
    assert tool.mode == 0o755


def test_long_and_foreign_names_survive(tmp_path, said):
    name = "ä/" + "n" * 150 + "/model.joblib"
    assert name in names(packed(folder(tmp_path / "mine", {name: b"1"}), tmp_path, said))


def test_its_name_in_s3_does_not_depend_on_the_compression(tmp_path, said):
    archive = packed(folder(tmp_path / "mine", MODEL), tmp_path, said)
    tar = subprocess.run(["gunzip", "--stdout", str(archive)], capture_output=True, check=True).stdout
    again = tmp_path / "fast.tar.gz"
    again.write_bytes(subprocess.run(["gzip", "-1"], input=tar, capture_output=True, check=True).stdout)
    examined = examine(archive)
    assert examined == examine(again)
    assert examined.digest == hashlib.sha256(tar).hexdigest()
    assert examined.size == len(tar)


def test_what_does_not_belong_is_left_out_and_named(tmp_path, said):
    litter = ["code/__pycache__/inference.pyc", ".git/HEAD", ".env", "._model.joblib", "code/old.pyc", "host.key"]
    archive = packed(folder(tmp_path / "mine", {**MODEL, **dict.fromkeys(litter, "x")}), tmp_path, said)
    assert names(archive) == names(packed(folder(tmp_path / "clean", MODEL), tmp_path / "clean.out", []))
    assert said == ["- left out of the archive: ._model.joblib, .env, .git, code/__pycache__, code/old.pyc and 1 more"]


def test_what_is_kept_out_of_images_is_kept_out_of_archives():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = {line.removeprefix("**/") for line in lines if line.startswith("**/")}
    assert ignored
    assert ignored <= set(LEFT_OUT)


def test_a_link_to_a_file_of_the_folder_is_that_file(tmp_path, said):
    root = folder(tmp_path / "mine", {"weights/v2.joblib": b"12"})
    (root / "model.joblib").symlink_to("weights/v2.joblib")
    (model,) = [one for one in members(packed(root, tmp_path, said)) if one.name == "model.joblib"]
    assert (model.isreg(), model.size) == (True, 2)


def test_a_folder_that_is_itself_a_link_is_packed(tmp_path, said):
    folder(tmp_path / "mine", MODEL)
    (tmp_path / "link").symlink_to("mine")
    assert "model.joblib" in names(packed(tmp_path / "link", tmp_path / "out", said))


def test_other_links_are_refused_all_at_once(tmp_path):
    root = folder(tmp_path / "mine", MODEL)
    (root / "away.joblib").symlink_to("/etc/passwd")
    (root / "broken").symlink_to("nothing")
    (root / "round").symlink_to(".")
    first, *lines = refusal(root, tmp_path)
    assert first == f"{root} cannot be packed:"
    advice = "which is no file in the folder: put the file itself there."
    assert sorted(lines) == [
        f"away.joblib is a link to /etc/passwd, {advice}",
        f"broken is a link to nothing, {advice}",
        f"round is a link to ., {advice}",
    ]


def test_a_pipe_is_refused(tmp_path):
    root = folder(tmp_path / "mine", MODEL)
    os.mkfifo(root / "pipe")
    assert refusal(root, tmp_path)[1:] == ("pipe is neither a file nor a folder: take it away.",)


def test_a_file_that_cannot_be_read_is_refused(public, tmp_path):
    root = folder(public / "mine", MODEL)
    (root / "model.joblib").chmod(0)
    with as_nobody():
        assert refusal(root, tmp_path)[1:] == ("model.joblib cannot be read: Permission denied.",)


def test_a_folder_that_cannot_be_read_is_refused(public, tmp_path):
    root = folder(public / "mine", MODEL)
    (root / "code").chmod(0)
    with as_nobody():
        assert refusal(root, tmp_path) == (f"{root / 'code'} cannot be read: Permission denied.",)
    (root / "code").chmod(0o755)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "nothing"),
        (
            {"README.md": "", "samples/one_row.csv": "1", "manifest.json": "{}", "train.py": ""},
            "README.md, manifest.json, samples/one_row.csv, train.py",
        ),
    ],
)
def test_a_folder_without_a_model_is_refused(tmp_path, files, found):
    advice = "Put the model's files at its top, or code/inference.py."
    assert refusal(folder(tmp_path / "mine", files), tmp_path)[1:] == (f"it holds no model: found {found}. {advice}",)


def test_hooks_outside_code_are_refused(tmp_path):
    (line,) = refusal(folder(tmp_path / "mine", {"model.joblib": b"1", "inference.py": ""}), tmp_path)[1:]
    assert line == "inference.py lies at the top, where the server does not look: move it to code/inference.py."


def test_code_alone_is_a_model(tmp_path, said):
    archive = packed(folder(tmp_path / "mine", {"code/inference.py": ""}), tmp_path, said)
    assert names(archive) == ["code", "code/inference.py"]
    assert faults(archive) == []


def test_the_archive_is_not_put_into_the_folder(tmp_path):
    root = folder(tmp_path / "mine", MODEL)
    with pytest.raises(Refused) as caught:
        pack(root, root / "model.tar.gz")
    expected = f"{root / 'model.tar.gz'} lies in the model folder: it would be packed with the model next time."
    assert str(caught.value) == expected


def test_an_archive_that_is_not_finished_leaves_nothing_behind(tmp_path):
    into = tmp_path / "out" / "model.tar.gz"
    folder(tmp_path / "out", {"model.tar.gz": "the old one"})

    class Stop(Exception):
        pass

    def stop(_):
        raise Stop

    root = folder(tmp_path / "mine", MODEL)
    with (root / "weights").open("wb") as file:
        file.truncate(LARGE)
    with pytest.raises(Stop):
        pack(root, into, stop)
    assert [path.name for path in into.parent.iterdir()] == ["model.tar.gz"]
    assert into.read_text() == "the old one"


def test_large_folders_say_how_far_they_are(tmp_path, said):
    root = folder(tmp_path / "mine", {"code/inference.py": ""})
    with (root / "weights").open("wb") as file:
        file.truncate(LARGE)
    packed(root, tmp_path, said)
    assert said == [f"- packing mine: {tenth}0 % of 100.0 MB" for tenth in range(1, 11)]


def test_progress_counts_to_its_end_and_no_further(said):
    progress = Progress("uploading", 10 * LARGE, said.append)
    for _ in range(11):
        progress(LARGE)
    assert said == [f"- uploading: {tenth}0 % of 1000.0 MB" for tenth in range(1, 11)]


def test_progress_is_told_beside_the_result(capsys):
    say("- packing")
    assert capsys.readouterr() == ("", "- packing\n")


@pytest.mark.parametrize(
    ("size", "words"), [(12, "12 bytes"), (128_000, "128,000 bytes"), (3 << 19, "1.5 MB"), (5 << 29, "2.5 GB")]
)
def test_sizes_are_said_as_people_do(size, words):
    assert in_words(size) == words


@pytest.mark.nginx
def test_the_example_model_is_served_from_its_archive(tmp_path, said):
    archive = pack(MODELS / "abalone", tmp_path / "model.tar.gz", said.append)
    model = tmp_path / "model"
    model.mkdir()
    subprocess.run(["tar", "--extract", "--gzip", "--file", archive, "--directory", model], check=True)
    environ = {"PATH": os.environ["PATH"], "SM_MODEL_DIR": str(model), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(PROGRAM), "--check"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in model.iterdir()} == {path.name for path in Path(MODELS / "abalone").iterdir()}
