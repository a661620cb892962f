"""ECR's host name on this machine: held by one run of the tests at a time, found here, and trusted by the engine."""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from server import until

ACCOUNT, REGION = "123456789012", "us-east-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ADDRESS = ("127.0.0.1", 443)
HOSTS = Path("/etc/hosts")
HOSTS_LINE = f"{ADDRESS[0]} {HOST} # the registry of the tests\n"
TRUSTED = Path("/etc/docker/certs.d") / HOST  # the engine reads this anew for each request
LOCK = Path(gettempdir()) / f"{HOST}.lock"
PATIENCE = 120.0  # seconds that another run of the tests may take to give the host name free


@contextmanager
def the_only_one() -> Iterator[None]:
    """Hold the host name, which one run of the tests at a time can have."""

    def is_free() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    with LOCK.open("w") as lock:
        until(is_free, f"the end of another run of the tests that plays {HOST}", PATIENCE)
        yield


def make_certificate(certificate: Path, key: Path) -> None:
    """Make a certificate that vouches for itself."""
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def name_and_trust(certificate: Path) -> Iterator[None]:
    """Have this machine find the host here, and its engine trust it."""
    forget_name()  # a run that was killed has left it
    others = HOSTS.read_text()
    HOSTS.write_text(f"{others.rstrip()}\n{HOSTS_LINE}")
    made = [folder for folder in (TRUSTED, TRUSTED.parent) if not folder.exists()]
    TRUSTED.mkdir(parents=True, exist_ok=True)
    (TRUSTED / "ca.crt").write_bytes(certificate.read_bytes())
    try:
        yield
    finally:
        (TRUSTED / "ca.crt").unlink()
        for folder in made:
            folder.rmdir()
        forget_name()


def forget_name() -> None:
    """Take our line out of the machine's hosts. In place: in a container the file cannot be replaced."""
    HOSTS.write_text(HOSTS.read_text().replace(HOSTS_LINE, ""))
