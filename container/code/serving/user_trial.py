"""What a user may do, found out by a process that becomes it and tries: reading rights are more than bits of a mode."""

import contextlib
import errno
import logging
import os
import shutil
import socket
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from serving.privileges import Obstacle, User, become, choose_user, open_run_dir
from serving.processes import PROGRAM_DIR
from serving.settings import Settings

FINE = "fine"
LACKS_CAPABILITIES = (
    "this root may not become user {user}, give it files or end its processes: CAP_SETUID, CAP_SETGID, CAP_CHOWN or "
    "CAP_KILL was taken away (docker run --cap-drop), or its user namespace does not have that user"
)
MAY_NOT_READ = (
    "user {user} may not use {path}: let everybody read it (chmod -R a+rX, and a+x for the folders above it), or set "
    "SERVING_USER=root if the model is to run as root"
)
ROOTS_PORT = "user {user} may not listen on port {port}: choose one above 1023 (SAGEMAKER_BIND_TO_PORT)"


class Needs(NamedTuple):
    """What nginx and the model need: programs, folders with all that is in them or without, a port, the run folder."""

    programs: Iterable[str]
    trees: Iterable[Path]
    folders: Iterable[Path]
    port: int
    run_dir: Path


def user_for(settings: Settings, run_dir: Path) -> User | None:
    """Return who is to run nginx and the model, None for the user who runs this."""
    needs = Needs(
        programs=[sys.executable, *filter(None, [shutil.which("nginx")])],
        trees=[PROGRAM_DIR, settings.model_dir, settings.code_dir],
        folders=[Path(entry) for entry in sys.path if entry and Path(entry).exists()],
        port=settings.port,
        run_dir=run_dir,
    )
    return choose_user(settings.user, os.geteuid(), lambda user: tried(user, needs))


def tried(user: User, needs: Needs) -> Obstacle | None:
    """Return what stands in the user's way; the run folder is open to it afterwards if nothing does."""
    try:
        open_run_dir(needs.run_dir, user)
        answer = answer_of_trial(user, needs)
    except (OSError, OverflowError):  # EINVAL, say: a user namespace that does not know the user
        answer = ""
    if answer == FINE:
        return None
    needs.run_dir.chmod(0o700)
    if answer:
        return Obstacle(answer)
    return Obstacle(LACKS_CAPABILITIES.format(user=user), logging.INFO)  # somebody's wish, and no loss of safety


def answer_of_trial(user: User, needs: Needs) -> str:
    """Return what a process says that became the user; raise `PermissionError` if we could not end that process."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        try_and_tell(user, needs, writer)
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        os.kill(pid, 0)  # until it is waited for, it is somebody's process
        return answer
    finally:
        os.waitpid(pid, 0)


def try_and_tell(user: User, needs: Needs, writer: int) -> NoReturn:
    """Become the user and write to the pipe what it lacks; nothing where we may not become it."""
    try:
        if may_become(user):
            os.write(writer, (first_lack(user, needs) or FINE).encode())
    except BaseException:
        os.write(writer, f"what user {user} may do cannot be found out: {traceback.format_exc()}".encode())
    finally:
        os._exit(0)  # whatever happens, this process is no second `serve`


def may_become(user: User) -> bool:
    """Become the user, and tell whether we did."""
    try:
        become(user)
    except (OSError, OverflowError):
        return False
    return True


def first_lack(user: User, needs: Needs) -> str | None:
    """Return what we lack of the *needs*, now that we are the user."""
    try:
        for program in needs.programs:
            require_access(program, os.X_OK)
        for folder in needs.folders:
            require_readable(folder, deep=False)
        for tree in needs.trees:
            require_readable(tree, deep=True)
        require_access(needs.run_dir, os.R_OK | os.W_OK | os.X_OK)
    except PermissionError as error:
        return MAY_NOT_READ.format(user=user, path=error.filename)
    return None if may_listen(needs.port) else ROOTS_PORT.format(user=user, port=needs.port)


def require_readable(path: Path, *, deep: bool) -> None:
    """Raise `PermissionError` unless we may read the file or list the folder and, if *deep*, all that is in it."""
    with contextlib.suppress(FileNotFoundError):  # a link to nowhere, say: whoever needs it has more to tell
        if not path.is_dir():
            require_access(path, os.R_OK)
            return
        require_access(path, os.R_OK | os.X_OK)
        for entry in os.scandir(path) if deep else ():
            if entry.name != "__pycache__":  # Python does without
                require_readable(Path(entry.path), deep=not entry.is_symlink())


def require_access(path: str | Path, mode: int) -> None:
    """Raise `PermissionError` unless we have that access, `FileNotFoundError` where there is nothing."""
    if not os.access(path, mode):
        Path(path).stat()  # raises what says more, if the path cannot be followed
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def may_listen(port: int) -> bool:
    """Tell whether we may listen on the port; whether it is free is another question."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True
