"""The two children of `serve`: how they are started, signalled and reaped; commands are built apart from running."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.privileges import User
from serving.settings import MEGABYTE, Settings

PROGRAM_DIR = Path(__file__).parent.parent  # /opt/program in the image

# Set before any import: an OpenMP or BLAS pool that starts before the fork hangs every worker after it.
# The workers raise the number again, each in its own thread, when the plan allows it.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    "1",
)

# ONNX Runtime's wheels report to their maker, from a thread that a forked worker crashes over when it ends.
NO_REPORTS = {"ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Child:
    """A running program, the leader of a process group of its own."""

    name: str
    pid: int

    def send(self, number: signal.Signals) -> None:
        """Send the signal to the program; one that has ended meanwhile needs none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill the program and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def nginx_command(configuration: Path, *, as_root: bool) -> list[str]:
    """Return nginx's command line; `-e` keeps it from its compiled-in log file, which a user may not open."""
    # As root nginx would make its workers another user, who may not enter our run folder.
    return ["nginx", "-e", "stderr", "-c", str(configuration), *(("-g", "user root;") if as_root else ())]


def gunicorn_command() -> list[str]:
    """Return gunicorn's command line; everything else is in gunicorn.conf.py."""
    return [sys.executable, "-m", "serving.arbiter", "--config", str(PROGRAM_DIR / "gunicorn.conf.py"), "wsgi:app"]


def child_environment(environ: Mapping[str, str], settings: Settings, run_dir: Path, status_fd: int) -> dict[str, str]:
    """Return the environment of the children: ours, the run folder, a home that can be written, one thread each."""
    home = environ.get("HOME", "")
    return {
        **NO_REPORTS,
        **environ,
        **ONE_THREAD,
        "HOME": home if home and os.access(home, os.W_OK) else str(run_dir),
        "PYTHONDONTWRITEBYTECODE": "1",  # the model folder is the platform's
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROGRAM_DIR), environ.get("PYTHONPATH", "")))),
        "SM_MODEL_DIR": str(settings.model_dir),
        "SAGEMAKER_SUBMIT_DIRECTORY": str(settings.code_dir),  # absolute: the children work in another folder
        "SERVING_RUN_DIR": str(run_dir),
        "SERVING_STATUS_FD": str(status_fd),
    }


def load_per_worker(model_bytes: int | None) -> dict[str, str]:
    """Return what the arbiter's environment gets when each worker is to load the model, of a size that it measured."""
    size = {"SERVING_MODEL_MB": str(max(1, round(model_bytes / MEGABYTE)))} if model_bytes is not None else {}
    return {"SERVING_LOAD_PER": "worker", **size}


def start(  # noqa: PLR0913 - what a process is born with
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    keep_fd: int,
    *,
    user: User | None = None,
    stderr: int | None = None,
) -> Child:
    """Start a child, as *user*, in a session of its own, so that a terminal's Ctrl-C reaches `serve` alone."""
    process = subprocess.Popen(  # `reap` waits for it, not Popen
        command,
        env=dict(environ),
        cwd=PROGRAM_DIR,
        pass_fds=(keep_fd,),
        start_new_session=True,
        stderr=stderr,
        **(user.popen_options if user else {}),
    )
    process.returncode = 0  # keeps Popen from warning of, or waiting for, what is ours to reap
    return Child(name, process.pid)


def reap() -> Iterator[tuple[int, int]]:
    """Yield (pid, exit status) for each child that has ended, orphans that PID 1 inherited among them."""
    while True:
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, exit_status(wait_status)


def exit_status(wait_status: int) -> int:
    """Return the status as a shell reports it: 128 + n for signal n."""
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
