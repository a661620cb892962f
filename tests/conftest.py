"""Tests are sorted by what they need; what this machine lacks is skipped with the reason, or fails if REQUIRE_ALL=1."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import pytest

from server import IMAGE, ROOT
from side_by_side import pytest_xdist_make_scheduler  # noqa: F401  # a hook

NEEDS = {
    "nginx": "nginx is not on PATH; as root on Debian, `make test` installs it",
    "engine": "no Docker engine answers; as root on Debian, `.ci/start_engine && .ci/base_image` provides one",
    "chromium": "chromium or chromedriver is not on PATH; as root on Debian, `make test` installs them",
    "registry": "not root, or docker-registry or openssl is not on PATH; as root on Debian, `make test` installs them",
}
REGISTRY_PROGRAMS = ("docker-registry", "openssl")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for need, reason in NEEDS.items():
            if item.get_closest_marker(need) and not available(need):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_sessionstart() -> None:
    missing = [reason for need, reason in NEEDS.items() if not available(need)]
    if os.environ.get("REQUIRE_ALL") == "1" and missing:
        pytest.exit(f"REQUIRE_ALL=1, but {'; '.join(missing)}", returncode=1)


@cache
def available(need: str) -> bool:
    if need == "nginx":
        return shutil.which("nginx") is not None
    if need == "chromium":
        return all(map(shutil.which, ("chromium", "chromedriver")))
    if need == "registry":  # which names a host of this machine and listens on port 443
        return os.geteuid() == 0 and all(map(shutil.which, REGISTRY_PROGRAMS))
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@contextmanager
def the_only_builder() -> Iterator[None]:
    """Let the other processes of this run wait for the build, and then find it in the cache."""
    with (Path(gettempdir()) / "sagemaker-byoc-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built from this checkout: minutes the first time, seconds from the builder's cache."""
    arguments = ["--file", str(ROOT / "container" / "Dockerfile"), "--tag", IMAGE, str(ROOT)]
    with the_only_builder():
        built = subprocess.run(["docker", "build", *arguments], capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"the image does not build:\n{built.stdout[-3000:]}\n{built.stderr[-3000:]}"
    return IMAGE
