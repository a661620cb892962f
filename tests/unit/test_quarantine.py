"""An input over which workers die is tried by itself, then refused for a while; every other one is cleared."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import serving
from fakes import FakeClock, Rest
from serving.errors import InputKillsTheModel
from serving.inference import InferenceRequest, InferenceResponse
from serving.outcome import Outcome
from serving.post_mortem import PostMortem
from serving.quarantine import ORPHANED, Quarantine, digest_of, wait_status_of
from serving.suspects import ENTRIES, FULL_WEIGHT, NO_SUSPECT, PROBES, QUARANTINED, SECOND, SUSPECT
from serving.worker_table import MOST_DIGESTS, WorkerTable

SECONDS = 300
POISON, INNOCENT, OTHER = (InferenceRequest(body, "text/csv") for body in (b"666", b"1", b"2"))
P, A, B = map(digest_of, (POISON, INNOCENT, OTHER))
SENT_AGAIN = {ORPHANED: "1"}
CRASHED, KILLED = int(signal.SIGSEGV), int(signal.SIGKILL)


class Container:
    """The table of two workers, the clock that they share, and what the kernel says of processes."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.clock = FakeClock()
        self.table = WorkerTable(2, seconds, lambda: round(self.clock() * SECOND))
        self.suspects = self.table.suspects
        self.ended: dict[int, int] = {}
        self.first, self.second = self.worker(0), self.worker(1)

    def worker(self, slot: int) -> Quarantine:
        self.table.row(slot).begin(100 + slot)
        noon = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
        return Quarantine(self.table, slot, self.ended.get, lambda: noon)

    def dies(self, slot: int, certain: bool = True) -> None:
        """Have a worker die in its call, the arbiter see it, and a successor come."""
        self.table.bury(self.table.row(slot), certain)
        self.table.row(slot).begin(200 + slot)


@pytest.fixture
def container() -> Container:
    return Container()


def answered(requests: Sequence[InferenceRequest], is_wanted: Callable[[int], bool]) -> Iterator[Any]:
    """Answer each request in a step of its own."""
    for place, request in enumerate(requests):
        yield [(place, Outcome(InferenceResponse(request.body, "text/csv")))]


def asked(quarantine: Quarantine, *requests: InferenceRequest, answer: Any = answered) -> list[Any]:
    steps = quarantine.watched(answer)(requests, lambda place: True)
    return [outcome for step in steps for outcome in step]


class Dead(BaseException):
    """A worker's end, as far as a test can have one."""


def killed_by(quarantine: Quarantine, *requests: InferenceRequest) -> list[int]:
    """Return what is listed of a worker that ends in a call for *requests*."""
    listed: list[int] = []

    def answer(requests: Any, is_wanted: Any) -> Iterator[Any]:
        listed.extend(quarantine.row.digests)
        listed.append(quarantine.row.on_trial)
        raise Dead
        yield

    with pytest.raises(Dead):
        asked(quarantine, *requests, answer=answer)
    digests = [digest_of(request) for request in requests]
    quarantine.row.enter(digests, bool(listed[-1]))  # what an exception cleans up, a death leaves
    return listed


# -- the life of a suspicion


def test_nobody_is_a_suspect_before_anybody_has_died(container: Container) -> None:
    assert not container.suspects
    container.first.admit(POISON)
    assert not container.first.stands_alone(POISON)


def test_what_was_in_the_call_when_its_worker_died_is_answered_by_itself(container: Container) -> None:
    assert killed_by(container.first, POISON, INNOCENT) == [P, A, False]
    container.dies(0)
    assert [container.second.stands_alone(each) for each in (POISON, INNOCENT, OTHER)] == [True, True, False]


def test_a_suspect_that_is_answered_is_none_any_more(container: Container) -> None:
    killed_by(container.first, POISON, INNOCENT)
    container.dies(0)
    container.clock.advance(1)
    assert asked(container.second, INNOCENT)[0][1].value.body == b"1"
    assert not container.first.stands_alone(INNOCENT)
    assert container.first.stands_alone(POISON)


def test_an_answer_beside_others_clears_too_for_a_batch_may_have_begun_before_the_death(container: Container) -> None:
    killed_by(container.first, INNOCENT)
    container.dies(0)
    container.clock.advance(1)
    asked(container.second, INNOCENT, OTHER)
    assert container.suspects.verdict(A) == NO_SUSPECT


def test_an_error_is_an_answer_as_well(container: Container) -> None:
    killed_by(container.first, INNOCENT)
    container.dies(0)
    container.clock.advance(1)
    asked(container.second, INNOCENT, answer=lambda *_: iter([[(0, Outcome(error=ValueError()))]]))
    assert container.suspects.verdict(A) == NO_SUSPECT


def test_a_suspect_whose_trial_kills_its_worker_is_refused_and_told_until_when(container: Container) -> None:
    killed_by(container.first, POISON, INNOCENT)
    container.dies(0)
    assert killed_by(container.second, POISON) == [P, True]
    container.dies(1)
    container.clock.advance(60)
    with pytest.raises(InputKillsTheModel) as refusal:
        container.first.admit(POISON)
    assert (refusal.value.status, refusal.value.code) == (422, "input_kills_the_model")
    assert "not given it again before 2026-11-21 12:04:00 UTC" in refusal.value.message
    assert "Two worker processes have died while the model worked on this input" in refusal.value.message
    assert "Send another input" in refusal.value.message
    container.first.admit(INNOCENT)


def test_what_was_condemned_while_it_waited_never_reaches_the_model(container: Container) -> None:
    container.suspects.add([P], on_trial=True)
    ((place, outcome),) = asked(container.first, POISON, answer=lambda *_: pytest.fail("the model was asked"))
    assert place == 0
    assert isinstance(outcome.error, InputKillsTheModel)


def test_the_quarantine_ends(container: Container) -> None:
    container.suspects.add([P], on_trial=True)
    container.clock.advance(SECONDS)
    container.first.admit(POISON)
    assert not container.suspects


def test_a_death_after_the_end_is_a_first_one_again(container: Container) -> None:
    container.suspects.add([P], on_trial=False)
    container.clock.advance(SECONDS)
    container.suspects.add([P], on_trial=True)
    assert container.suspects.verdict(P) == SUSPECT


def test_two_deaths_with_an_answer_in_between_are_no_reason_to_refuse(container: Container) -> None:
    container.suspects.add([A], on_trial=False)
    container.clock.advance(1)
    container.suspects.clear(A)
    container.clock.advance(1)
    container.suspects.add([A], on_trial=True)
    assert container.suspects.verdict(A) == SUSPECT


def test_what_was_there_at_many_deaths_and_never_on_trial_is_not_refused(container: Container) -> None:
    for _ in range(5):
        container.suspects.add([A], on_trial=False)
    assert container.suspects.verdict(A) == SUSPECT


def test_a_worker_that_somebody_kills_weighs_little(container: Container) -> None:
    container.suspects.add([A], on_trial=False, certain=False)
    for verdict in [SUSPECT] * (FULL_WEIGHT - 2) + [QUARANTINED]:
        container.suspects.add([A], on_trial=True, certain=False)
        assert container.suspects.verdict(A) == verdict


def test_zero_seconds_switch_all_of_it_off() -> None:
    container = Container(seconds=0)
    killed_by(container.first, POISON)
    container.ended[100] = CRASHED
    assert not container.second.stands_alone(POISON._replace(headers=SENT_AGAIN))
    container.dies(0)
    assert not container.second.stands_alone(POISON)
    assert not container.suspects


def test_a_row_says_what_is_in_the_call_and_nothing_between_its_steps(container: Container) -> None:
    row, seen = container.first.row, []

    def answer(requests: Any, is_wanted: Any) -> Iterator[Any]:
        for place in (1, 0):
            seen.append(row.digests)
            yield [(place, Outcome("done"))]

    for _ in container.first.watched(answer)((INNOCENT, OTHER), bool):
        assert row.called == 0
    assert seen == [[A, B], [A, B]]
    assert row.answered == 2


# -- faster than the arbiter


def test_what_nginx_sends_again_is_on_trial_before_the_arbiter_knows_of_the_death(container: Container) -> None:
    killed_by(container.first, POISON)
    again = POISON._replace(headers=SENT_AGAIN)
    assert container.second.stands_alone(again)  # the same input is in some call
    assert not container.second.stands_alone(POISON)  # as it may be, for two callers
    container.ended[100] = CRASHED
    assert killed_by(container.second, again) == [P, True]


@pytest.mark.parametrize(("wait_status", "refused"), [(CRASHED, True), (3 << 8, True), (KILLED, False)])
def test_a_death_on_trial_that_the_arbiter_has_not_seen_yet_condemns_unless_it_was_a_kill(
    container: Container, wait_status: int, refused: bool
) -> None:
    container.first.row.enter([P], on_trial=True)
    container.ended[100] = wait_status
    again = POISON._replace(headers=SENT_AGAIN)
    if refused:
        with pytest.raises(InputKillsTheModel, match="not given it again before 2026-11-21 12:05:00 UTC"):
            container.second.admit(again)
    else:
        container.second.admit(again)
        assert container.second.stands_alone(again)


def test_a_death_that_the_arbiter_sees_while_it_is_looked_for_is_found_all_the_same(container: Container) -> None:
    container.first.row.enter([P], on_trial=True)

    def waited_for_meanwhile(pid: int) -> None:
        container.first.row.exited(CRASHED)

    second = Quarantine(container.table, 1, waited_for_meanwhile)
    with pytest.raises(InputKillsTheModel):
        second.admit(POISON._replace(headers=SENT_AGAIN))


def test_what_was_only_queued_with_the_dead_is_no_suspect(container: Container) -> None:
    killed_by(container.first, POISON)
    container.ended[100] = CRASHED
    assert not container.second.stands_alone(OTHER._replace(headers=SENT_AGAIN))


def test_the_kernel_tells_how_a_process_has_ended_before_anybody_waits_for_it() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc here")
    assert wait_status_of(os.getpid()) is None
    child = subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert wait_status_of(child.pid) == KILLED
    child.wait()
    assert wait_status_of(child.pid) is None


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "os.kill(os.getpid(), 9)", "pass"])
def test_the_arbiter_learns_of_an_end_before_it_lets_the_kernel_forget_it(program: str) -> None:
    # In a process of its own, which has no other children.
    script = f"""
import os
from serving.arbiter import ended_child
pid = os.fork()
if pid == 0:
    {program}
    os._exit(0)
while (ended := ended_child()) is None:
    pass
assert ended_child() == ended == os.wait4(pid, 0)[:2], ended
assert ended_child() is None
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(serving.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)


# -- streams


def test_each_part_of_a_streamed_answer_is_a_call_of_the_model(container: Container) -> None:
    calls = []

    class Parts(Rest):
        def __next__(self) -> bytes:
            calls.append(container.first.row.digests)
            return super().__next__()

        def close(self) -> None:
            calls.append(container.first.row.digests)
            super().close()

    parts = container.first.watched_parts(Parts(b"one"), INNOCENT)
    assert b"".join(parts) == b"one"
    parts.close()
    assert calls == [[A]] * 3
    assert container.first.row.called == 0


def test_a_suspect_is_cleared_by_the_end_of_its_stream_not_by_the_beginning(container: Container) -> None:
    container.suspects.add([A], on_trial=False)
    container.clock.advance(1)
    first_part = InferenceResponse(b"1", "text/csv", rest=Rest(b"2"))
    ((_, outcome),) = asked(container.first, INNOCENT, answer=lambda *_: iter([[(0, Outcome(first_part))]]))
    assert container.suspects.verdict(A) == SUSPECT
    parts = container.first.watched_parts(outcome.value.rest, INNOCENT)
    next(parts)
    assert container.suspects.verdict(A) == SUSPECT
    assert list(parts) == []
    assert container.suspects.verdict(A) == NO_SUSPECT


# -- the table


def test_an_input_is_its_body_and_its_type_whatever_else_the_caller_says() -> None:
    same = InferenceRequest(bytes(bytearray(b"1")), "text/csv", accept="text/csv", request_id="x")
    assert digest_of(same) == A
    assert len({P, A, B, digest_of(INNOCENT._replace(content_type="application/json"))}) == 4
    assert all(0 <= digest < 1 << 64 for digest in (P, A, B))


def result_of(program: str) -> list[str]:
    """Return what a Python of its own prints, for forking is nothing for one that has threads."""
    environ = {"PYTHONPATH": str(Path(serving.__file__).parent.parent)}
    command = [sys.executable, "-c", program, "first"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()


FORKS_AFTER_EXEC = """
import os, sys
from serving.inference import InferenceRequest
from serving.post_mortem import PostMortem
from serving.quarantine import digest_of
if sys.argv[-1] == "first":
    os.execv(sys.executable, [*sys.orig_argv[:-1], "again"])
for _ in range(2):
    if os.fork() == 0:
        os.write(1, b"%d\\n" % digest_of(InferenceRequest(b"1", "text/csv")))
        os._exit(0)
    os.wait()
"""


def test_the_workers_of_an_arbiter_agree_even_if_it_has_executed_itself_anew() -> None:
    first, second = result_of(FORKS_AFTER_EXEC)
    assert first == second


WRITTEN_IN_A_FORK = """
import os
from serving.worker_table import WorkerTable
table = WorkerTable(1, 300)
if os.fork() == 0:
    table.row(0).begin(os.getpid())
    table.row(0).enter([7, 8], on_trial=False)
    os._exit(0)
pid, _ = os.wait()
print(table.row(0).pid == pid, *table.row(0).digests)
"""


def test_what_a_worker_notes_outlives_it() -> None:
    assert result_of(WRITTEN_IN_A_FORK) == ["True", "7", "8"]


def test_of_a_call_larger_than_a_row_all_are_counted_and_the_first_are_listed(container: Container) -> None:
    row = container.table.row(0)
    row.enter(list(range(MOST_DIGESTS + 5)), on_trial=False)
    assert row.called == MOST_DIGESTS + 5
    assert row.digests == list(range(MOST_DIGESTS))


def test_digests_at_the_same_place_are_told_apart(container: Container) -> None:
    neighbours = [number * ENTRIES for number in range(PROBES)]
    container.suspects.add(neighbours, on_trial=False)
    container.suspects.add(neighbours[:1], on_trial=True)
    assert [container.suspects.verdict(digest) for digest in neighbours] == [QUARANTINED] + [SUSPECT] * (PROBES - 1)
    assert container.suspects.verdict(PROBES * ENTRIES) == NO_SUSPECT


def test_a_full_table_forgets_the_oldest_suspicion_before_any_quarantine(container: Container) -> None:
    held, *suspects, newest = [number * ENTRIES for number in range(PROBES + 1)]
    container.suspects.add([held], on_trial=True)
    for digest in suspects:
        container.clock.advance(1)
        container.suspects.add([digest], on_trial=False)
    container.suspects.add([newest], on_trial=False)
    assert container.suspects.verdict(held) == QUARANTINED
    assert [container.suspects.verdict(digest) for digest in suspects] == [NO_SUSPECT] + [SUSPECT] * (PROBES - 2)
    assert container.suspects.verdict(newest) == SUSPECT


def test_what_has_expired_makes_room_first(container: Container) -> None:
    old, *recent = [number * ENTRIES for number in range(PROBES)]
    container.suspects.add([old], on_trial=True)
    container.clock.advance(SECONDS)
    container.suspects.add(recent, on_trial=False)
    container.suspects.add([PROBES * ENTRIES], on_trial=False)
    assert [container.suspects.verdict(digest) for digest in recent] == [SUSPECT] * (PROBES - 1)


def test_how_a_worker_ended_is_known_while_the_arbiter_is_at_its_post_mortem(container: Container) -> None:
    container.first.row.enter([P], on_trial=True)
    PostMortem(container.table, lambda: None, container.clock).begin(100, 0, CRASHED)
    with pytest.raises(InputKillsTheModel):
        container.second.admit(POISON._replace(headers=SENT_AGAIN))
    container.dies(0)
    assert container.first.row.wait_status is None


def test_a_post_mortem_of_one_that_had_no_row_yet_says_nothing_of_the_one_before(container: Container) -> None:
    PostMortem(container.table, lambda: None, container.clock).begin(99, 0, CRASHED)
    assert container.first.row.wait_status is None
