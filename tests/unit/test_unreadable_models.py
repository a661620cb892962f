"""A container that runs as another user meets files that it may not read; the message says so."""

import os
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest

from builders import folder, load
from serving.errors import StartError
from serving.places import is_empty


@contextmanager
def nobody_in_particular():
    """Root reads everything: be somebody else for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(12345)
    yield
    os.seteuid(before)


@pytest.fixture
def model_dir(tmp_path):
    for parent in (tmp_path, *takewhile(lambda parent: parent != Path(gettempdir()), tmp_path.parents)):
        parent.chmod(0o755)
    return folder(
        tmp_path / "model", {"model.joblib": b"never read", "manifest.json": '{"files": {"model.joblib": "x"}}'}
    )


@pytest.mark.parametrize("locked", [".", "model.joblib", "manifest.json"])
def test_what_may_not_be_read_is_named_with_the_remedy(model_dir, locked):
    (model_dir / locked).chmod(0)
    try:
        with nobody_in_particular(), pytest.raises(StartError) as raised:
            load(model_dir)
    finally:
        (model_dir / locked).chmod(0o755)
    assert str(model_dir / locked) in str(raised.value)
    assert f"chmod -R a+rX {model_dir}" in str(raised.value)


def test_a_mount_that_may_not_be_read_is_not_taken_for_an_empty_one(tmp_path):
    locked = folder(tmp_path / "model", {"model.joblib": b""})
    locked.chmod(0)
    try:
        with nobody_in_particular():
            assert not is_empty(locked)
    finally:
        locked.chmod(0o755)
