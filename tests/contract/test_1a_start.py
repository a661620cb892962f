"""Starting: what SageMaker runs, and what it may take away."""

import contextlib
import subprocess
import tarfile
from pathlib import PurePosixPath
from textwrap import shorten

import pytest

from contract.clauses import BATCH, MARKETPLACE, PIPELINE, PROFILES, REAL_TIME, SERVERLESS, clause
from contract.inside import command_of, families, first_process, listens_on, zombies
from contract.running import NotHealthy
from contract.surroundings import require_answer
from contract.targets import image_of
from server import descendants, docker, until

SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh"}
INITS = {"tini", "tini-static", "docker-init", "dumb-init"}
ROOTS = {"", "0", "root"}
ORPHAN = ("sh", "-c", ": &")  # the shell ends without waiting for its child
DRIVERS = ("libcuda.so*", "libnvidia-ml.so*")
NOT_DRIVERS = {"compat", "stubs"}  # the CUDA toolkit's own, which an image may bring


@clause(
    "1.01",
    "start with `docker run IMAGE serve`, and become healthy",
    "Put an executable called `serve` on PATH, or an entry point that takes that argument; read the log.",
    required=PROFILES,
    quick=True,
)
def test_serve_starts_a_healthy_server(shared, saw):
    """Runs the target with the one argument `serve` and asks /ping until it is 200."""
    try:
        shared.server()
    except NotHealthy as reason:
        saw(f"{reason}{where_it_listens_instead(shared._server)}")
        raise
    saw(f"healthy after {shared.seconds_to_healthy:.1f} s")


def where_it_listens_instead(server):
    """Return what explains most servers that run and do not answer: another port, or 127.0.0.1."""
    with contextlib.suppress(pytest.skip.Exception):
        if server and not server.has_ended():
            first_process(server)
            return f"; it listens on {listens_on(server)}"
    return ""


@clause(
    "1.02",
    "have the entry point in exec form, so that SIGTERM arrives",
    'Write ENTRYPOINT ["program", "argument"] in the Dockerfile, with brackets: without them, a shell is started '
    "first, and it keeps SIGTERM and the word `serve` for itself.",
    recommended=PROFILES,
    quick=True,
)
def test_the_entry_point_is_no_shell(target, saw):
    """Reads the image's ENTRYPOINT. (CMD does not matter: `serve` takes its place.)"""
    entry_point = image_of(target).inspect()["Config"]["Entrypoint"] or []
    saw(f"ENTRYPOINT {entry_point}" if entry_point else "no ENTRYPOINT: the program `serve` is run")
    name = PurePosixPath(entry_point[0]).name if entry_point else ""
    assert not (name in SHELLS and "-c" in entry_point)


@clause(
    "1.03",
    "be the first process yourself: no tini, and no zombies",
    "Remove tini or dumb-init from ENTRYPOINT: AWS rules tini out. The first process then has to wait for every child "
    "that ends, also for those that it did not start: os.wait() in a loop. gunicorn and bash do.",
    recommended=PROFILES,
    quick=True,
)
def test_the_first_process_is_no_init_and_leaves_no_zombies(server, target, saw):
    """Reads the first process's command line; leaves it an orphan to wait for, if the image has a shell."""
    image_of(target)
    root = first_process(server)
    name = PurePosixPath(command_of(root)[0]).name
    has_shell = docker("exec", server.name, *ORPHAN, check=False).returncode == 0
    left = zombies_that_stay(root) if has_shell else set()
    reaped = f"{len(left)} zombies" if has_shell else "no shell to make an orphan with"
    saw(f"the first process is {name}; {reaped}")
    assert name not in INITS
    assert not left


def zombies_that_stay(root):
    """Return the zombies that are still there after a while; on a busy machine the orphan takes a moment to be one."""
    with contextlib.suppress(AssertionError):
        until(lambda: zombies(root), "a zombie", patience=0.5)
    with contextlib.suppress(AssertionError):
        until(lambda: not zombies(root), "the end of zombies", patience=5)
    return zombies(root)


@clause(
    "1.05",
    "run as root: name no other user",
    "Remove USER from the Dockerfile: SageMaker expects root, and another user can meet permission errors in the "
    "folders that it mounts.",
    recommended=PROFILES,
    quick=True,
)
def test_the_image_names_no_user(target, saw):
    """Reads the image's USER."""
    user = image_of(target).inspect()["Config"]["User"] or ""
    saw(f"USER {user}" if user else "no USER")
    assert user.partition(":")[0] in ROOTS


@clause(
    "1.07",
    "work under any host name",
    "Do not look up or parse the container's own host name; SageMaker chooses it.",
    required=PROFILES,
)
def test_the_host_name_does_not_matter(start, answer, sample, saw):
    """Starts it with another host name and sends the sample."""
    require_answer(start("--hostname", "container-2"), sample, saw)


@clause(
    "1.08",
    "need no variable that SageMaker does not promise, such as a HOME that exists",
    "Find the library that reads HOME, often for a cache, and set a folder for it below /tmp in the Dockerfile (ENV).",
    recommended=PROFILES,
)
def test_no_home_is_needed(start, answer, sample, saw):
    """Starts it with HOME=/nonexistent and sends the sample. (An engine turns an empty HOME into root's.)"""
    require_answer(start("--env", "HOME=/nonexistent"), sample, saw)


@clause(
    "1.09",
    "start one worker where there is one CPU, as in the smallest serverless endpoints",
    "Count the CPUs that the container may use: os.sched_getaffinity(0), and the cgroup's quota (cpu.max, or "
    "cpu.cfs_quota_us). os.cpu_count() gives those of the machine, and each worker holds a copy of the model.",
    recommended=PROFILES,
)
def test_one_cpu_means_one_worker(start, saw):
    """Starts it with one CPU and counts processes that are alike: same parent, same command. nginx's do not count."""
    root = first_process(start("--cpus", "1"))
    commands = {pid: command for pid, (_, command) in descendants(root).items()}
    alike = [pids for family in families(root) for pids in family.values() if len(pids) > 1]
    workers = [pids for pids in alike if not commands[pids[0]].startswith("nginx:")]
    saw("; ".join(f"{len(pids)} of: {shorten(commands[pids[0]], 60)}" for pids in workers) or "no two alike")
    assert not workers


@clause(
    "1.10",
    "leave NVIDIA's driver out of the image",
    "Remove the driver's packages (libcuda1, libnvidia-*): the machine brings its own. CUDA's toolkit may stay.",
    required=(REAL_TIME, BATCH, PIPELINE, MARKETPLACE),
    recommended=(SERVERLESS,),
)
def test_the_image_brings_no_gpu_driver(target, saw):
    """Looks for libcuda.so and libnvidia-ml.so in the image, outside folders called compat and stubs."""
    found = [path for path in files_of(image_of(target).name) if is_driver(PurePosixPath(path))]
    saw(", ".join(found[:3]) or "none")
    assert not found


def files_of(image):
    """Yield the path of every file in an image, from a container that never runs."""
    container = docker("create", image, "serve").stdout.strip()
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as archive,
        ):
            yield from (member.name for member in archive)
    finally:
        docker("rm", container)


def is_driver(path):
    """Tell whether a file is a part of the driver."""
    return any(path.match(pattern) for pattern in DRIVERS) and NOT_DRIVERS.isdisjoint(path.parts)
