"""As many connections as the machine allows and nginx can use; when there are no more, idle ones make room."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from serving import nginx as door
from serving.open_files import WANTED
from serving.settings import Settings

CODE = door.TEMPLATE.parent
REPORT = "from serving import open_files; print(open_files.raise_open_file_limit(), open_files.open_file_limit())"


def limits_in_a_process(soft: int, hard: int) -> list[int]:
    """Return what a process of its own, started with these limits, raises its own to."""
    printed = subprocess.check_output(
        [sys.executable, "-c", REPORT],
        env={"PYTHONPATH": str(CODE)},
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return [int(number) for number in printed.split()]


@pytest.mark.parametrize(("soft", "hard"), [(64, 256), (256, 256), (1024, 4096)])
def test_the_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int) -> None:
    assert limits_in_a_process(soft, hard) == [hard, hard]


def test_what_nginx_can_use_is_asked_for_and_no_more() -> None:
    assert WANTED >= 2 * door.MOST_CONNECTIONS + door.OWN_FILES


@pytest.mark.parametrize(
    ("open_files", "expected"), [(256, 96), (1024, 480), (20_000, 9968), (WANTED, 16_384), (1 << 20, 16_384), (10, 64)]
)
def test_nginx_has_no_more_connections_than_it_may_open_files(open_files: int, expected: int, tmp_path: Path) -> None:
    settings = Settings.from_environment({"SM_MODEL_DIR": "/models/mine"})
    configuration = door.render(settings, 1, tmp_path, open_files=open_files)
    (connections,) = re.findall(r"worker_connections (\d+);", configuration)
    assert int(connections) == expected
