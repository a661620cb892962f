"""Who runs nginx and the model: where `serve` is started as root, as SageMaker does, a user who may do less."""

import contextlib
import ctypes
import logging
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serving.errors import StartError
from serving.log_stream import STDERR

DEFAULT_USERS = ("serving", "nobody", "65534")  # the image's own, any machine's, and that one's number
PR_SET_NO_NEW_PRIVS = 38  # Linux's number for it: prctl(2)
# nginx's workers take on the groups of root whoever they are, and call it an emergency where that is not allowed.
NO_EMERGENCY = ("sed", "-u", r"/\[emerg\].* initgroups(root, 0) failed/d")

log = logging.getLogger(__name__)


class User(NamedTuple):
    """A user with one group and no other."""

    name: str
    uid: int
    gid: int

    def __str__(self) -> str:
        """Return its name and number, for the log."""
        return self.name if self.name == str(self.uid) else f"{self.name} ({self.uid})"

    @property
    def popen_options(self) -> dict[str, Any]:
        """Return what makes `subprocess` start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Obstacle(NamedTuple):
    """Why a user cannot run nginx and the model, and how loudly to say so."""

    reason: str
    level: int = logging.WARNING


def choose_user(wanted: str | None, euid: int, obstacle_for: Callable[[User], Obstacle | None]) -> User | None:
    """
    Return the user who is to run nginx and the model, None for the one who runs this.

    Raises:
        StartError: for a *wanted* user who does not exist or cannot do it. The default is nobody's wish, and gives way.
    """
    if euid != 0:
        return None
    user = find_user(wanted)
    if user.uid == 0:
        return None
    obstacle = obstacle_for(user)
    if obstacle is None:
        return user
    if wanted:
        raise StartError(f"SERVING_USER is {wanted!r}, but {obstacle.reason}.")
    log.log(obstacle.level, "nginx and the model run as root", extra={"reason": obstacle.reason})
    return None


def find_user(wanted: str | None) -> User:
    """Return the user of that name or number; where none is *wanted*, the first default that there is."""
    for name in [wanted] if wanted else DEFAULT_USERS:
        if user := account_of(name):
            return user
    raise StartError(f"SERVING_USER is {wanted!r}; expected a user that exists here, or numbers: UID or UID:GID.")


def account_of(name: str) -> User | None:
    """Return the user of that name, or of those numbers (`UID` or `UID:GID`), which need no entry anywhere."""
    number, _, group = name.partition(":")
    if number.isdecimal() and (group or number).isdecimal():
        return User(number, int(number), int(group or number))
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(name)
        return User(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return None


def name_of(user: User | None) -> str:
    """Return the user's name and number, or those of the one who runs this."""
    uid = os.geteuid()
    with contextlib.suppress(KeyError):
        return str(user or User(pwd.getpwuid(uid).pw_name, uid, os.getegid()))
    return str(uid)


def are_roots(user: User | None) -> bool:
    """Tell whether what runs as *user*, or as us where that is None, runs as root."""
    return user is None and os.geteuid() == 0


def become(user: User) -> None:
    """Be that user from now on, for good."""
    os.setgroups([])
    os.setgid(user.gid)
    os.setuid(user.uid)


def environment_for(user: User | None, environ: Mapping[str, str], run_dir: Path) -> Mapping[str, str]:
    """Return *environ*; with a home in the place of root's for somebody else."""
    return environ if user is None else {**environ, "HOME": str(run_dir)}


def open_run_dir(run_dir: Path, user: User) -> None:
    """Let the user make files in the run folder, which stays ours, so that nobody moves it from under us."""
    os.chown(run_dir, user.uid, user.gid)
    os.chown(run_dir, os.geteuid(), -1)
    run_dir.chmod(0o770)


def hand_over(run_dir: Path, user: User) -> None:
    """Give the user what is in the run folder by now, and what it writes its log to."""
    for path in run_dir.rglob("*"):
        if path.is_dir() or path.lstat().st_nlink == 1:  # not another name that somebody gave a file of ours
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        # Docker does the same for `--user`: a program may want to open /dev/stderr, which is this pipe by another name.
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with contextlib.suppress(PermissionError):  # a pipe of another user namespace; writing goes on all the same
                os.fchown(descriptor, user.uid, user.gid)


def forbid_new_privileges() -> None:
    """Keep us and all that we start from gaining rights by the programs that are run; Linux alone knows how."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        log.warning("no_new_privs cannot be set: %s", os.strerror(ctypes.get_errno()))


def may_set_groups() -> bool:
    """Tell whether we could take on other groups, as root with all its capabilities can."""
    try:
        os.setgroups(os.getgroups())
    except OSError:
        return False
    return True


@contextlib.contextmanager
def nginx_stderr(user: User | None) -> Iterator[int]:
    """Open what nginx writes its errors to: our stderr, less what is no error where root may do nothing."""
    if user is not None or os.geteuid() != 0 or may_set_groups() or not shutil.which(NO_EMERGENCY[0]):
        yield STDERR.descriptor  # which never makes it wait
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # nginx drops lines rather than wait for a log that nobody reads
    sieve = subprocess.Popen(NO_EMERGENCY, stdin=reader, stdout=sys.stderr.fileno(), start_new_session=True)
    sieve.returncode = 0  # it ends when nginx has, and is reaped as the orphans are
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)
