"""How much memory there is, and how much a process takes of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.cgroups import available_memory
from serving.memory import WORKER, Footprint, growth, held_by, measure, private_to

GIBIBYTE = 1024**3
MEGABYTE = 1024**2
PAGE = os.sysconf("SC_PAGE_SIZE")
UNLIMITED_V1 = "9223372036854771712\n"  # what the kernel writes where nobody has set a limit
MACHINE = {"meminfo": "MemTotal:       16777216 kB\nMemFree:         1024 kB\n"}
MEMBER_V1 = "9:name=systemd:/\n4:memory:/docker/4f1d\n2:cpu,cpuacct:/docker/4f1d\n"


def write_files(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


LIMITS = {
    "no limit anywhere: the machine's memory": ("0::/\n", {"memory.max": "max\n"}, 16 * GIBIBYTE),
    "v2, a container that sees its own cgroup as the root": ("0::/\n", {"memory.max": f"{GIBIBYTE}\n"}, GIBIBYTE),
    "v2, its own cgroup below the root": ("0::/ours\n", {"ours/memory.max": f"{2 * GIBIBYTE}\n"}, 2 * GIBIBYTE),
    "v2, a parent that is stricter": (
        "0::/pod/ours\n",
        {"pod/memory.max": f"{GIBIBYTE}\n", "pod/ours/memory.max": "max\n"},
        GIBIBYTE,
    ),
    "v2, somebody else's limit": ("0::/ours\n", {"theirs/memory.max": f"{GIBIBYTE}\n"}, 16 * GIBIBYTE),
    "v2, throttled from here on": ("0::/\n", {"memory.max": "max\n", "memory.high": f"{GIBIBYTE}\n"}, GIBIBYTE),
    "v1, a parent that cannot be seen from inside": (
        MEMBER_V1,
        {
            "memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
            "memory/memory.stat": f"cache 5\nhierarchical_memory_limit {2 * GIBIBYTE}\nrss 7\n",
        },
        2 * GIBIBYTE,
    ),
    "v2, more than the machine has": ("0::/\n", {"memory.max": f"{64 * GIBIBYTE}\n"}, 16 * GIBIBYTE),
    "v1, a container that sees its own cgroup as the root": (
        MEMBER_V1,
        {"memory/memory.limit_in_bytes": f"{4 * GIBIBYTE}\n"},
        4 * GIBIBYTE,
    ),
    "v1, no limit": (MEMBER_V1, {"memory/memory.limit_in_bytes": UNLIMITED_V1}, 16 * GIBIBYTE),
    "v1, its own cgroup below the root": (
        MEMBER_V1,
        {
            "memory/memory.limit_in_bytes": UNLIMITED_V1,
            "memory/docker/memory.limit_in_bytes": f"{3 * GIBIBYTE}\n",
            "memory/docker/4f1d/memory.limit_in_bytes": f"{5 * GIBIBYTE}\n",
        },
        3 * GIBIBYTE,
    ),
    "v1, another controller's path": (
        "2:cpu:/ours\n1:memory:/\n",
        {"memory/ours/memory.limit_in_bytes": f"{GIBIBYTE}\n"},
        16 * GIBIBYTE,
    ),
    "both versions at once, and the stricter one in v1": (
        "1:memory:/\n0::/\n",
        {"memory/memory.limit_in_bytes": f"{GIBIBYTE}\n", "memory.max": f"{2 * GIBIBYTE}\n"},
        GIBIBYTE,
    ),
}


@pytest.mark.parametrize(("membership", "files", "expected"), LIMITS.values(), ids=LIMITS)
def test_the_least_of_the_limits_counts(tmp_path: Path, membership: str, files: dict[str, str], expected: int) -> None:
    write_files(tmp_path / "cgroup", files)
    write_files(tmp_path, {"membership": membership, **MACHINE})
    assert available_memory(tmp_path / "cgroup", tmp_path / "membership", tmp_path / "meminfo") == expected


def test_a_machine_that_says_nothing_has_no_known_limit(tmp_path: Path) -> None:
    assert available_memory(tmp_path / "none", tmp_path / "none", tmp_path / "none") is None


# -- what a process takes

ROLLUP = """55d0-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:              300000 kB
Pss:              250000 kB
Private_Clean:      1000 kB
Private_Dirty:     20000 kB
Private_Hugetlb:       0 kB
"""


def test_a_process_holds_its_share_of_what_it_shares(tmp_path: Path) -> None:
    write_files(tmp_path, {"7/smaps_rollup": ROLLUP})
    assert held_by(7, tmp_path) == 250000 * 1024


def test_pages_of_files_are_not_held_where_the_kernel_tells_them_apart(tmp_path: Path) -> None:
    sums = f"{ROLLUP}Pss_Anon:          90000 kB\nPss_File:         150000 kB\nPss_Shmem:         10000 kB\n"
    write_files(tmp_path, {"7/smaps_rollup": sums})
    assert held_by(7, tmp_path) == 100000 * 1024


def test_what_is_private_and_clean_is_a_files_and_the_next_workers_too(tmp_path: Path) -> None:
    write_files(tmp_path, {"7/smaps_rollup": ROLLUP})
    assert private_to(7, tmp_path) == 20000 * 1024


def test_without_the_kernels_sums_the_resident_pages_count(tmp_path: Path) -> None:
    write_files(tmp_path, {"7/statm": "9000 5000 300 1 0 4000 0\n"})
    assert held_by(7, tmp_path) == 5000 * PAGE


def test_without_the_kernels_sums_nobody_knows_what_is_private(tmp_path: Path) -> None:
    write_files(tmp_path, {"7/statm": "9000 5000 300 1 0 4000 0\n"})
    assert private_to(7, tmp_path) is None


def test_of_a_process_that_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    assert (held_by(7, tmp_path), private_to(7, tmp_path), growth(1, 7, tmp_path)) == (None, None, None)


def test_growth_is_what_came_since_and_never_negative(tmp_path: Path) -> None:
    write_files(tmp_path, {"7/smaps_rollup": ROLLUP})
    assert growth(100000 * 1024, 7, tmp_path) == 150000 * 1024
    assert growth(300000 * 1024, 7, tmp_path) == 0
    assert growth(None, 7, tmp_path) is None


@contextmanager
def waiting_child(wrote: bytearray | None) -> Iterator[int]:
    """Fork a child that writes to every page of *wrote*, and then does nothing until it is no longer needed."""
    ready, written = os.pipe()
    done, leave = os.pipe()
    child = os.fork()
    if child == 0:
        if wrote is not None:
            wrote[::PAGE] = bytes([2]) * len(wrote[::PAGE])
        os.write(written, b".")
        os.close(leave)
        os.read(done, 1)
        os._exit(0)
    os.read(ready, 1)
    yield child
    os.close(leave)
    os.waitpid(child, 0)
    for end in (ready, written, done):
        os.close(end)


@pytest.mark.skipif(private_to(os.getpid()) is None, reason="this kernel does not say what is private")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_copy_pays_only_for_what_it_writes_to() -> None:
    model = bytearray(b"\1") * (64 * MEGABYTE)
    with waiting_child(None) as reader:
        reading = private_to(reader)
    with waiting_child(model) as writer:
        writing = private_to(writer)
    assert reading < 32 * MEGABYTE
    assert writing - reading > 60 * MEGABYTE


def test_a_model_that_is_loaded_is_seen_as_growth() -> None:
    before = held_by(os.getpid())
    model = bytearray(b"\1") * (64 * MEGABYTE)
    assert growth(before, os.getpid()) > 60 * MEGABYTE
    assert len(model) == 64 * MEGABYTE


def test_the_footprint_is_this_process_its_parent_and_the_workers() -> None:
    footprint = measure(100 * MEGABYTE, 5 * MEGABYTE, shared=True)
    assert footprint == Footprint(footprint.once, 5 * MEGABYTE + WORKER, 100 * MEGABYTE, shared=True)
    assert footprint.once >= held_by(os.getpid()) - MEGABYTE


@pytest.mark.parametrize(("model", "each"), [(None, 1), (1, None), (None, None)])
def test_without_figures_there_is_no_footprint(model: int | None, each: int | None) -> None:
    assert measure(model, each, shared=True) is None
