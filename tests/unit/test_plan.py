"""Workers and threads, from the CPUs and the memory that the container may really use."""

from pathlib import Path

import pytest

from serving.cgroups import available_cpus
from serving.errors import StartError
from serving.memory import Footprint
from serving.plan import SERVERLESS, Plan, make_plan, settle
from serving.settings import MEGABYTE, Settings

PLENTY = 64


def plan_for(cpus: float, memory_mb: int | None = None, **environ: str) -> Plan:
    settings = Settings.from_environment({"SM_MODEL_DIR": "/models/mine", **environ})
    return make_plan(settings, cpus, None if memory_mb is None else memory_mb * MEGABYTE)


def write_files(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def cpus_of(root: Path, membership: str, files: dict[str, str], affinity: int = PLENTY) -> float:
    """Return the CPUs on a machine whose /sys/fs/cgroup holds *files*."""
    write_files(root / "cgroup", files)
    (root / "membership").write_text(membership)
    return available_cpus(affinity, root / "cgroup", root / "membership")


CGROUP_V2 = {
    "a container that sees its own cgroup as the root": ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
    "no limit": ("0::/\n", {"cpu.max": "max 100000\n"}, PLENTY),
    "half a CPU": ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
    "one and a half": ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
    "another period": ("0::/\n", {"cpu.max": "30000 10000\n"}, 3.0),
    "its own cgroup below the root": ("0::/ours\n", {"ours/cpu.max": "400000 100000\n"}, 4.0),
    "a parent that is stricter": (
        "0::/pod/ours\n",
        {"pod/cpu.max": "100000 100000\n", "pod/ours/cpu.max": "400000 100000\n"},
        1.0,
    ),
    "a parent that is more generous": (
        "0::/pod/ours\n",
        {"pod/cpu.max": "800000 100000\n", "pod/ours/cpu.max": "400000 100000\n"},
        4.0,
    ),
    "a parent without a limit": (
        "0::/pod/ours\n",
        {"pod/cpu.max": "max 100000\n", "pod/ours/cpu.max": "max 100000\n"},
        PLENTY,
    ),
    "somebody else's limit": ("0::/ours\n", {"theirs/cpu.max": "100000 100000\n"}, PLENTY),
    "the host's path, which does not exist in here": (
        "0::/system.slice/docker-4f1d.scope\n",
        {"cpu.max": "200000 100000\n"},
        2.0,
    ),
    "a path above the namespace's root": ("0::/../ours\n", {"cpu.max": "200000 100000\n"}, 2.0),
    "a file that nobody understands": ("0::/\n", {"cpu.max": "\n"}, PLENTY),
}

LINES_V1 = "9:name=systemd:/\n4:memory:/docker/4f1d\n3:cpuset:/docker/4f1d\n"
QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
CGROUP_V1 = {
    "a container that sees its own cgroup as the root": (
        LINES_V1 + "2:cpu,cpuacct:/docker/4f1d\n",
        {f"cpu/{QUOTA}": "200000\n", f"cpu/{PERIOD}": "100000\n"},
        2.0,
    ),
    "no limit": (LINES_V1 + "2:cpu,cpuacct:/\n", {f"cpu/{QUOTA}": "-1\n", f"cpu/{PERIOD}": "100000\n"}, PLENTY),
    "a fraction": (LINES_V1 + "2:cpu:/\n", {f"cpu/{QUOTA}": "25000\n", f"cpu/{PERIOD}": "100000\n"}, 0.25),
    "its own cgroup below the root": (
        LINES_V1 + "2:cpuacct,cpu:/pod/ours\n",
        {
            f"cpu/{QUOTA}": "-1\n",
            f"cpu/{PERIOD}": "100000\n",
            f"cpu/pod/ours/{QUOTA}": "300000\n",
            f"cpu/pod/ours/{PERIOD}": "100000\n",
        },
        3.0,
    ),
    "a parent that is stricter": (
        LINES_V1 + "2:cpu:/pod/ours\n",
        {
            f"cpu/pod/{QUOTA}": "100000\n",
            f"cpu/pod/{PERIOD}": "100000\n",
            f"cpu/pod/ours/{QUOTA}": "300000\n",
            f"cpu/pod/ours/{PERIOD}": "100000\n",
        },
        1.0,
    ),
    "another controller's path": (
        "2:cpuset:/ours\n1:cpu:/\n",
        {f"cpu/ours/{QUOTA}": "100000\n", f"cpu/ours/{PERIOD}": "100000\n"},
        PLENTY,
    ),
    "both versions at once, and the stricter one in v1": (
        "1:cpu:/\n0::/\n",
        {f"cpu/{QUOTA}": "100000\n", f"cpu/{PERIOD}": "100000\n", "cpu.max": "200000 100000\n"},
        1.0,
    ),
}


@pytest.mark.parametrize(("membership", "files", "expected"), CGROUP_V2.values(), ids=CGROUP_V2)
def test_a_quota_of_cgroup_v2_is_found(tmp_path: Path, membership: str, files: dict[str, str], expected: float) -> None:
    assert cpus_of(tmp_path, membership, files) == expected


@pytest.mark.parametrize(("membership", "files", "expected"), CGROUP_V1.values(), ids=CGROUP_V1)
def test_a_quota_of_cgroup_v1_is_found(tmp_path: Path, membership: str, files: dict[str, str], expected: float) -> None:
    assert cpus_of(tmp_path, membership, files) == expected


@pytest.mark.parametrize(("affinity", "expected"), [(1, 1.0), (2, 2.0), (8, 2.5)])
def test_the_smaller_of_affinity_and_quota_counts(tmp_path: Path, affinity: int, expected: float) -> None:
    assert cpus_of(tmp_path, "0::/\n", {"cpu.max": "250000 100000\n"}, affinity) == expected


def test_a_machine_without_cgroups_has_the_cpus_of_its_affinity(tmp_path: Path) -> None:
    assert available_cpus(3, tmp_path / "none", tmp_path / "none either") == 3.0


def test_this_machine_has_some_cpus() -> None:
    assert available_cpus() > 0


@pytest.mark.parametrize(
    ("cpus", "environ", "workers", "threads"),
    [
        (0.25, {}, 1, 1),
        (1.0, {}, 1, 1),
        (1.9, {}, 1, 1),
        (2.5, {}, 2, 1),
        (16.0, {}, 16, 1),
        (8.0, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}, 1, 8),
        (8.0, {"MODEL_SERVER_WORKERS": "2"}, 2, 4),
        (8.0, {"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}, 3, 2),
        (8.0, {"SAGEMAKER_MODEL_SERVER_WORKERS": "5"}, 5, 1),
        (2.0, {"SAGEMAKER_MODEL_SERVER_WORKERS": "6"}, 6, 1),
        (0.5, {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}, 2, 1),
    ],
)
def test_each_whole_cpu_gets_a_worker_and_the_operators_workers_share_the_cpus(
    cpus: float, environ: dict[str, str], workers: int, threads: int
) -> None:
    plan = plan_for(cpus, **environ)
    assert (plan.cpus, plan.workers, plan.threads) == (cpus, workers, threads)


@pytest.mark.parametrize("cpus", [1.0, 1.5, 2.0, 3.7, 7.0, 64.0])
@pytest.mark.parametrize("workers", [None, 1, 2, 3, 5, 7])
def test_the_threads_of_all_workers_never_exceed_the_cpus_unless_the_operator_says_so(
    cpus: float, workers: int
) -> None:
    plan = plan_for(cpus, **({"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)} if workers else {}))
    assert plan.workers * plan.threads <= max(cpus, workers or 0)


# -- serverless sizes: 1 to 6 GB, and as many CPUs as are seen there

SIZES = [(1024, 2), (2048, 2), (3072, 2), (3072, 3), (4096, 3), (5120, 3), (5120, 4), (6144, 4)]
# The instances with the least memory for each CPU, as their kernels count it: a few percent less than is advertised.
INSTANCES = {"ml.t2.medium": (3930, 2), "ml.c4.large": (3690, 2), "ml.c5.large": (3780, 2), "ml.m5.large": (7700, 2)}


@pytest.mark.parametrize(("memory_mb", "cpus"), SIZES)
def test_a_serverless_size_gets_one_worker_with_all_the_cpus(memory_mb: int, cpus: int) -> None:
    plan = plan_for(cpus, memory_mb)
    assert (plan.workers, plan.threads) == (1, cpus)
    assert plan.reason == SERVERLESS


@pytest.mark.parametrize(("memory_mb", "cpus"), INSTANCES.values(), ids=INSTANCES)
def test_a_small_instance_keeps_a_worker_for_each_cpu(memory_mb: int, cpus: int) -> None:
    assert plan_for(cpus, memory_mb).workers == cpus


def test_a_large_machine_with_many_cpus_is_not_serverless() -> None:
    assert plan_for(64, 16 * 1024).workers == 64


def test_workers_that_were_asked_for_are_had_on_a_serverless_size_too() -> None:
    assert plan_for(3, 4096, SAGEMAKER_MODEL_SERVER_WORKERS="2").workers == 2


def test_the_operator_knows_the_memory_better_than_the_kernel() -> None:
    assert plan_for(4, 16 * 1024, SERVING_MEMORY_MB="2048").memory == 2048 * MEGABYTE


# -- what fits into the memory

SHARED = Footprint(once=600 * MEGABYTE, each=20 * MEGABYTE, model=500 * MEGABYTE, shared=True)
COPIED = Footprint(once=100 * MEGABYTE, each=500 * MEGABYTE, model=500 * MEGABYTE, shared=False)


def settled(footprint: Footprint | None, memory_mb: int | None, cpus: float = 4, asked: int | None = None) -> Plan:
    environ = {"SAGEMAKER_MODEL_SERVER_WORKERS": str(asked)} if asked else {}
    return settle(plan_for(cpus, memory_mb, **environ), footprint, asked)


@pytest.mark.parametrize(
    ("footprint", "memory_mb", "workers", "threads"),
    [
        (SHARED, 16384, 4, 1),
        (COPIED, 16384, 4, 1),
        (COPIED, 7300, 4, 1),
        (COPIED, None, 4, 1),
        (None, 7300, 4, 1),
    ],
)
def test_what_fits_stays_as_it_was_planned(
    footprint: Footprint | None, memory_mb: int | None, workers: int, threads: int
) -> None:
    plan = settled(footprint, memory_mb)
    assert (plan.workers, plan.threads) == (workers, threads)
    assert plan.reason == "a worker for each whole CPU"


LARGE = Footprint(once=200 * MEGABYTE, each=3000 * MEGABYTE, model=3000 * MEGABYTE, shared=False)


@pytest.mark.parametrize(
    ("memory_mb", "workers", "threads"), [(13557, 4, 1), (13500, 3, 1), (7500, 2, 2), (6800, 1, 4)]
)
def test_fewer_workers_are_started_where_the_cpus_would_take_more_than_fit_and_share_the_cpus(
    memory_mb: int, workers: int, threads: int
) -> None:
    """A tenth of the memory stays free: 200 MB and 4 times 3000 MB need 13,556 MB."""
    plan = settled(LARGE, memory_mb, cpus=4)
    assert (plan.workers, plan.threads) == (workers, threads)
    assert plan.workers * plan.threads <= plan.cpus


def test_a_lowered_number_of_workers_is_explained() -> None:
    plan = settled(LARGE, 7500, cpus=4)
    assert plan.reason == "4 workers, one for each whole CPU, do not fit into the memory; 2 do"


@pytest.mark.parametrize(
    ("footprint", "memory_mb", "asked", "message"),
    [
        (
            COPIED,
            1800,
            4,
            (
                "The memory is too small for 4 workers: the server takes 100 MB once, and each worker with its copy of "
                "the model 500 MB; together 2100 MB. The container has 1800 MB, of which 10% stay free for requests. "
                "Ask for 3 (SAGEMAKER_MODEL_SERVER_WORKERS=3), or choose a larger instance. "
                "Samples in the model folder may let the workers share one copy. "
                "If there is more memory than that, set SERVING_MEMORY_MB."
            ),
        ),
        (
            SHARED,
            610,
            None,
            (
                "The memory is too small for 1 worker: the server with the model takes 600 MB once, and each worker 20 "
                "MB more; together 620 MB. The container has 610 MB, of which 10% stay free for requests. "
                "Choose a larger instance. If there is more memory than that, set SERVING_MEMORY_MB."
            ),
        ),
    ],
    ids=["asked for", "not even one"],
)
def test_what_cannot_fit_is_refused_with_the_arithmetic(
    footprint: Footprint, memory_mb: int, asked: int | None, message: str
) -> None:
    with pytest.raises(StartError) as refusal:
        settled(footprint, memory_mb, asked=asked)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("footprint", "memory_mb", "asked"), [(SHARED, 640, None), (COPIED, 2150, 4)])
def test_what_fits_without_the_headroom_is_started_with_a_word_of_it(
    footprint: Footprint, memory_mb: int, asked: int | None
) -> None:
    plan = settled(footprint, memory_mb, asked=asked)
    assert plan.workers == (asked or 1)
    assert plan.reason == "less than 10% of the memory stays free for requests"


def test_asked_for_several_where_not_even_one_fits_the_arithmetic_is_that_of_one() -> None:
    with pytest.raises(StartError, match=r"too small for 1 worker: .* Choose a larger instance"):
        settled(COPIED, 600, asked=4)


def test_the_plan_in_words_has_megabytes() -> None:
    assert settled(SHARED, 16384).in_words == {
        "cpus": 4,
        "workers": 4,
        "threads": 1,
        "memory_mb": 16384,
        "once_mb": 600,
        "worker_mb": 20,
        "model_mb": 500,
        "shared": True,
        "reason": "a worker for each whole CPU",
    }


def test_the_plan_in_words_leaves_out_what_nobody_could_measure() -> None:
    assert settled(None, None, asked=2).in_words == {
        "cpus": 4,
        "workers": 2,
        "threads": 2,
        "reason": "as many workers as were asked for",
    }
