"""Workers and threads, from the CPUs that the container may really use."""

from pathlib import Path

import pytest

from serving.plan import Plan, available_cpus, make_plan
from serving.settings import Settings

PLENTY = 64


def plan_for(cpus: float, **environ: str) -> Plan:
    return make_plan(Settings.from_environment({"SM_MODEL_DIR": "/models/mine", **environ}), cpus)


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
