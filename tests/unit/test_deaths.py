"""What a worker died of is told exactly: by its wait status, and by what is known besides."""

import os
import signal
from pathlib import Path

import pytest

from fakes import FakeClock
from serving.cgroups import oom_kills
from serving.deaths import CAUSES, KIBIBYTES, Death, Evidence, diagnose
from serving.post_mortem import MOST_LETTERS, MOST_LINES, PostMortem, Remains, shortened
from serving.suspects import QUARANTINED, SECOND, SUSPECT
from serving.worker_table import REFUSED, STUCK, WorkerTable

KILL, SEGV, ABRT, TERM = signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM
NOTHING = Evidence(oom_kills=0)

DIAGNOSES = {
    "a crash in native code": (SEGV, NOTHING, "crashed", "it crashed (SIGSEGV): native code touched memory that"),
    "a crash with a core dump": (SEGV | 0x80, NOTHING, "crashed", "it crashed (SIGSEGV)"),
    "a full disk": (signal.SIGBUS, NOTHING, "crashed", "a disk is full"),
    "an assertion": (ABRT, NOTHING, "crashed", "it crashed (SIGABRT): native code gave up"),
    "another processor's library": (signal.SIGILL, NOTHING, "crashed", "a library built for another one"),
    "a division": (signal.SIGFPE, NOTHING, "crashed", "native code divided by zero"),
    "the OOM killer": (KILL, Evidence(oom_kills=1), "out_of_memory", "the kernel's OOM killer ended it"),
    "the OOM killer, in a stop": (KILL, Evidence(asked=True, oom_kills=1), "out_of_memory", "OOM killer"),
    "kill -9": (KILL, NOTHING, "killed", "somebody killed it (SIGKILL): a process or a person, not the kernel"),
    "kill -9, and no word of memory": (KILL, Evidence(), "killed", "perhaps the kernel for want of memory"),
    "another signal": (signal.SIGHUP, NOTHING, "killed", "somebody ended it with SIGHUP"),
    "a signal without a name": (40, NOTHING, "killed", "somebody ended it with signal 40"),
    "stuck": (KILL, Evidence(stuck=True, oom_kills=0), "stuck", "its model had been running past every deadline"),
    "silent": (ABRT, Evidence(asked=True, silent=True), "silent", "gunicorn ended it with SIGABRT, for"),
    "silent, and Python let it": (1 << 8, Evidence(asked=True, silent=True), "silent", "for it gave no sign of life"),
    "asked, and killed in the end": (KILL, Evidence(asked=True, oom_kills=0), "asked", "asked to end, and did by"),
    "asked": (0, Evidence(asked=True), "asked", "it was asked to end, and did"),
    "not asked by us": (0, NOTHING, "exited", "SIGTERM from somebody, or os._exit(0) in a hook"),
    "os._exit": (3 << 8, NOTHING, "exited", "it ended itself with exit status 3: os._exit in a hook"),
    "a bad model": (3 << 8, Evidence(refused=True), "refused", "it could not start; a line before this one says why"),
}  # fmt: skip


@pytest.mark.parametrize(("wait_status", "evidence", "cause", "words"), DIAGNOSES.values(), ids=DIAGNOSES)
def test_a_death_has_a_cause_and_words(wait_status: int, evidence: Evidence, cause: str, words: str) -> None:
    death = diagnose(wait_status, evidence)
    assert death.cause == cause
    assert words in death.words
    assert (death.signal is None) == (os.WIFEXITED(wait_status))
    assert death.exit_status == (os.WEXITSTATUS(wait_status) if os.WIFEXITED(wait_status) else None)


def test_every_cause_is_met_above() -> None:
    assert {cause for _, _, cause, _ in DIAGNOSES.values()} == set(CAUSES)


def test_the_log_says_what_is_known_and_leaves_out_what_is_not() -> None:
    details = diagnose(SEGV, NOTHING)._replace(in_model=0, seconds_ready=None, stack="").details
    assert details["in_model"] == 0
    assert not {"exit_status", "seconds_ready", "stack", "words", "answered_by_all"} & set(details)


# -- how often the OOM killer came


FILES = {
    "v2": {"memory.events": "low 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0"},
    "v2, ours below": {"memory.events": "oom_kill 9", "pod/ours/memory.events": "oom_kill 2"},
    "v1": {"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2"},
    "v1, ours below": {"memory/memory.oom_control": "oom_kill 9", "memory/pod/ours/memory.oom_control": "oom_kill 2"},
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_oom_killers_victims_are_counted_in_our_own_cgroup(files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    membership = tmp_path / "membership"
    membership.write_text("4:memory:/pod/ours\n0::/pod/ours\n")
    assert oom_kills(tmp_path / "cgroup", membership) == 2


def test_where_no_cgroup_says_so_nobody_knows_of_the_oom_killer(tmp_path: Path) -> None:
    assert oom_kills(tmp_path, tmp_path / "none") is None


# -- what is left of a worker


class Morgue:
    """A table with two workers, a post-mortem, and an OOM killer's count that can be set."""

    def __init__(self, oom_kills: int | None = 5) -> None:
        self.clock = FakeClock(100.0)
        self.table = WorkerTable(2, 300, lambda: round(self.clock() * SECOND))
        self.oom_kills = oom_kills
        self.post_mortem = PostMortem(self.table, lambda: self.oom_kills, self.clock)

    def of(self, pid: int, slot: int | None, wait_status: int, **known: object) -> Death:
        return self.post_mortem.of(Remains(pid, slot, wait_status, 1 << 20, 40.0, **known))


def test_what_a_worker_did_is_told_and_its_row_is_empty_for_its_successor() -> None:
    morgue = Morgue()
    row, other = morgue.table.row(0), morgue.table.row(1)
    for each, pid in ((row, 21), (other, 22)):
        each.begin(pid)
        each.ready(50 * SECOND)
        each.enter([1, 2], on_trial=False)
        each.leave(2)
    row.enter([3, 4, 5], on_trial=False)
    death = morgue.of(21, 0, SEGV, stack="")
    assert (death.cause, death.in_model, death.on_trial) == ("crashed", 3, False)
    assert (death.answered, death.answered_by_all) == (2, 4)
    assert (death.seconds_lived, death.seconds_ready) == (60.0, 50.0)
    assert death.peak_memory_mb == KIBIBYTES
    assert (row.pid, row.called, row.answered) == (0, 0, 0)
    row.begin(23)
    assert morgue.of(23, 0, SEGV).answered_by_all == 4  # what the dead have answered counts on
    assert [morgue.table.suspects.verdict(digest) for digest in (1, 3, 5)] == [0, SUSPECT, SUSPECT]


def test_a_worker_that_died_before_it_took_its_row_is_told_nothing_of_its_predecessors() -> None:
    morgue = Morgue()
    morgue.table.row(0).begin(21)
    morgue.table.row(0).enter([1], on_trial=False)
    death = morgue.of(99, 0, SEGV)
    assert (death.in_model, death.seconds_ready) == (0, None)
    assert not morgue.table.suspects


def test_a_worker_without_a_number_leaves_a_trace_too() -> None:
    morgue = Morgue()
    morgue.table.row(None).begin(21)
    morgue.table.row(None).enter([1], on_trial=False)
    assert morgue.of(21, None, SEGV).in_model == 1


@pytest.mark.parametrize(("state", "cause"), [(REFUSED, "refused"), (STUCK, "stuck"), (0, "killed")])
def test_a_worker_can_say_why_it_ends(state: int, cause: str) -> None:
    morgue = Morgue()
    morgue.table.row(0).begin(21)
    morgue.table.row(0).note(state)
    assert morgue.of(21, 0, KILL if cause != "refused" else 3 << 8).cause == cause


def test_the_oom_killer_is_to_blame_for_what_died_since_it_was_last_looked_at() -> None:
    morgue = Morgue(oom_kills=5)  # somebody else's, before we began
    assert morgue.of(21, 0, KILL).cause == "killed"
    morgue.oom_kills = 6
    assert morgue.of(22, 0, KILL)[:2] == diagnose(KILL, Evidence(oom_kills=1))[:2]
    assert morgue.of(23, 0, KILL).cause == "killed"


def test_a_kill_makes_suspects_but_condemns_nothing_and_a_crash_on_trial_does() -> None:
    morgue = Morgue()
    row = morgue.table.row(0)
    for pid, wait_status, verdict in ((21, KILL, SUSPECT), (22, KILL, SUSPECT), (23, SEGV, QUARANTINED)):
        row.begin(pid)
        row.enter([7], on_trial=pid > 21)
        morgue.of(pid, 0, wait_status)
        assert morgue.table.suspects.verdict(7) == verdict


# -- the stack


FATAL = """Fatal Python error: Segmentation fault

Thread 0x1 (most recent call first):
  File "hub.py", line 1 in wait

Current thread 0x2 (most recent call first):
  File "inference.py", line 8 in predict_fn
  File "model.py", line 9 in call

Extension modules: numpy (total: 1)
"""


def test_of_a_stack_the_thread_that_crashed_comes_first_and_nothing_but_threads_is_told() -> None:
    lines = shortened(FATAL).splitlines()
    assert lines[0].startswith("Current thread")
    assert "inference.py" in lines[1]
    assert "hub.py" in lines[-1]
    assert "Extension" not in shortened(FATAL)


def test_a_stack_is_cut_where_it_is_of_no_use_any_more() -> None:
    deep = "Current thread 0x2 (most recent call first):\n" + '  File "a.py", line 1 in f\n' * 1000
    assert len(shortened(deep).splitlines()) == MOST_LINES
    wide = "Current thread 0x2 (most recent call first):\n" + "x" * 10000
    assert len(shortened(wide)) == MOST_LETTERS


def test_nothing_was_written_so_nothing_is_told() -> None:
    assert shortened("") == ""
