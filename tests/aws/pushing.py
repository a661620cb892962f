"""`build_and_push.sh` as its users have it: in a checkout of their own, with the AWS CLI and a bare home."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ports import free_port
from server import IMAGE, ROOT, docker, until

REVISION = "org.opencontainers.image.revision"
# Nothing is built but a label, and the contract is kept as before.
SMALL_DOCKERFILE = f"FROM {IMAGE}\nARG MODEL=\n"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@cache
def aws_cli() -> str:
    """Return the folder of the AWS CLI; the first time it is installed."""
    done = subprocess.run([str(ROOT / "tests/endpoint/aws_cli.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(Path(done.stdout.strip()).parent)


class Checkout:
    """A checkout of this repository as it is now, committed; it shares our virtual environment."""

    def __init__(self, folder: Path, **environ: str):
        self.folder = folder / "checkout"
        self.home = folder / "home"
        self.home.mkdir()
        self.environ = environ
        for name in self.files_of_ours():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.folder / name)
        if (ROOT / ".venv").exists():
            (self.folder / ".venv").symlink_to(ROOT / ".venv")
        self.git("init", "--quiet")
        self.commit(f"as it was copied to {folder}")  # another commit for each checkout

    def files_of_ours(self) -> list[str]:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return [name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file()]

    def git(self, *arguments: str) -> str:
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
        command = ["git", *somebody, *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=True).stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def become_small(self, dockerfile: str = SMALL_DOCKERFILE) -> None:
        """Build this instead, in a moment; and of the contract, check the image's manifest, platform and size alone."""
        self.write("container/Dockerfile", dockerfile)
        for checks in (self.folder / "tests" / "contract").glob("test_*.py"):
            if checks.name != "test_9_image.py":
                checks.unlink()
        self.commit("smaller")

    @property
    def tag(self) -> str:
        """The first part of the tags that the script chooses."""
        return self.git("rev-parse", "HEAD").strip()[:12]

    def push(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        passed_on = {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
        path = {"PATH": f"{aws_cli()}:{os.environ['PATH']}", "HOME": str(self.home)}
        return subprocess.run(
            [str(self.folder / "build_and_push.sh"), *arguments],
            env={**path, "AWS_EC2_METADATA_DISABLED": "true", **passed_on, **self.environ, **environ},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self) -> None:
        """Remove the images that were built of any commit of this checkout."""
        if shutil.which("docker") is None:
            return
        for commit in self.git("rev-list", "--all").split():
            for revision in (commit, f"{commit}-dirty"):
                images = docker("image", "ls", "--quiet", "--filter", f"label={REVISION}={revision}").stdout.split()
                if images:
                    docker("rmi", "--force", *set(images))


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Run a moto of our own and give its URL."""
    port, log = free_port(), folder / "moto.log"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        try:
            until(lambda: "Running on" in log.read_text() or process.poll() is not None, "moto's server")
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
