"""Whole lifetimes of the container, replayed as sequences of events on a clock that stands still."""

import signal
from collections.abc import Callable

import pytest

from fakes import FakeChild, FakeClock, FakeVerdict
from serving import nginx as door
from serving.deaths import ASKED, CRASHED, REFUSED, Death
from serving.status import DOOR_CHANGED, LOADING, WORKER_GONE, WORKER_READY
from serving.supervisor import DRAIN_SECONDS, LAST_CALL_SECONDS, RECOVERY_SECONDS, STOP_SECONDS, Supervisor

Event = Callable[["Life"], None]

CRASH = Death(CRASHED, "it crashed (SIGSEGV)", signal="SIGSEGV", seconds_lived=0.5, seconds_ready=0.1, in_model=1)
CRASH_IN_LOADING = CRASH._replace(seconds_ready=None, in_model=0)
UNABLE = Death(REFUSED, "it could not start; a line before this one says why", exit_status=3, seconds_lived=0.5)

STARTUP_TIMEOUT = 600.0
NGINX, GUNICORN = 10, 20  # pids
KILL_AFTER_SIGTERM = 30.0  # SageMaker's patience

LOADING_REASON = "503 The model is loading."
CRASHING_REASON = "503 The workers die again and again."
DRAINING_REASON = "503 The server is draining: it was asked to stop."
NO_WORKER_REASON = "503 No worker is ready: they died, and none has come back yet."

# -- what can happen


def loading() -> Event:
    return lambda life: life.supervisor.on_status(LOADING, 0)


def door_changed() -> Event:
    return lambda life: life.supervisor.on_status(DOOR_CHANGED, 0)


def ready(pid: int) -> Event:
    return lambda life: life.supervisor.on_status(WORKER_READY, pid)


def gone(pid: int, death: Death = CRASH) -> Event:
    return lambda life: life.supervisor.on_status(WORKER_GONE, pid, death)


def gets(number: signal.Signals) -> Event:
    return lambda life: life.supervisor.on_signal(number)


def ends(pid: int, exit_status: int) -> Event:
    def event(life: "Life") -> None:
        if pid in life.children:
            life.children[pid].ended = True
        life.supervisor.on_exit(pid, exit_status)

    return event


def wait(seconds: float) -> Event:
    def event(life: "Life") -> None:
        life.clock.advance(seconds)
        if life.supervisor.seconds_left == 0:
            life.supervisor.on_deadline()

    return event


def asked_by(number: signal.Signals) -> Event:
    """The signal, and the last call after it."""

    def event(life: "Life") -> None:
        gets(number)(life)
        wait(LAST_CALL_SECONDS)(life)

    return event


SIGTERM, SIGINT = asked_by(signal.SIGTERM), asked_by(signal.SIGINT)
REST_OF_DRAIN = DRAIN_SECONDS - LAST_CALL_SECONDS
START = (loading(), ready(21), ready(22))
STARTED = [LOADING_REASON, "200", "200"]
A_MOMENT = 0.1
CRASHES = tuple(event for pid in range(21, 26) for event in (wait(1), ready(pid), gone(pid)))


class Life:
    """A supervisor with fake children, clock and verdict, and the journal of all that it did to them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = []
        self.children = {
            pid: FakeChild(name, pid, self.journal) for pid, name in ((NGINX, "nginx"), (GUNICORN, "gunicorn"))
        }
        self.supervisor = Supervisor(*self.children.values(), FakeVerdict(self.journal), STARTUP_TIMEOUT, self.clock)

    def live(self, *events: Event) -> "Life":
        for event in events:
            event(self)
        return self


HISTORIES = {
    "fewer workers fit than nginx has servers for: it reads its configuration again, before the first one is ready": (
        (loading(), door_changed(), ready(21), SIGTERM, ends(NGINX, 0), ends(GUNICORN, 0)),
        [LOADING_REASON, "nginx gets SIGHUP", "200", DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "fewer workers fit, but it was asked to stop: nginx has nothing to read any more": (
        (loading(), SIGTERM, door_changed(), ends(NGINX, 0), ends(GUNICORN, 143)),
        [LOADING_REASON, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop: nginx drains first, gunicorn stops once nginx has ended, and the status is 0": (
        (*START, SIGTERM, ends(NGINX, 0), ends(GUNICORN, 0)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop: nginx stays open for a last call, and refuses": (
        (*START, gets(signal.SIGTERM), wait(LAST_CALL_SECONDS / 2)),
        [*STARTED, DRAINING_REASON],
        None,
    ),
    "nginx dies in the last call: nothing is sent to what may be somebody else's process by then": (
        (*START, gets(signal.SIGTERM), ends(NGINX, 0), wait(LAST_CALL_SECONDS), ends(GUNICORN, 0)),
        [*STARTED, DRAINING_REASON, "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop twice within the last call: it is not cut short": (
        (*START, gets(signal.SIGTERM), wait(0.1), gets(signal.SIGTERM), wait(LAST_CALL_SECONDS - 0.2)),
        [*STARTED, DRAINING_REASON],
        None,
    ),
    "Ctrl-C is a request to stop too": (
        (*START, SIGINT, ends(NGINX, 0), ends(GUNICORN, 0)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop, gunicorn hears nothing while nginx drains": (
        (*START, SIGTERM, wait(REST_OF_DRAIN - A_MOMENT)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT"],
        None,
    ),
    "asked to stop twice: the second time changes nothing": (
        (*START, SIGTERM, wait(1), SIGTERM, SIGINT, ends(NGINX, 0), ends(GUNICORN, 0)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop before the model is loaded": (
        (loading(), wait(60), SIGTERM, ends(NGINX, 0), ends(GUNICORN, 143)),
        [LOADING_REASON, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop before gunicorn has said anything": (
        (SIGTERM, ends(NGINX, 0), ends(GUNICORN, 143)),
        [DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop, a child that failed on its way out does not change the status": (
        (*START, SIGTERM, ends(NGINX, 1), ends(GUNICORN, 137)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
    "asked to stop, and gunicorn dies first: nothing is left for nginx to wait for": (
        (*START, SIGTERM, ends(GUNICORN, 137), ends(NGINX, 0)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "nginx gets SIGTERM"],
        0,
    ),
    "asked to stop in vain: what is left at the deadline is killed": (
        (*START, SIGTERM, wait(REST_OF_DRAIN), ends(GUNICORN, 137), ends(NGINX, 137)),
        [
            *STARTED,
            DRAINING_REASON,
            "nginx gets SIGQUIT",
            "nginx is killed",
            "gunicorn is killed",
            "nginx gets SIGTERM",
        ],
        0,
    ),
    "asked to stop, nginx drains in time but gunicorn does not: only gunicorn is killed": (
        (*START, SIGTERM, wait(20), ends(NGINX, 0), wait(REST_OF_DRAIN - 20), ends(GUNICORN, 137)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM", "gunicorn is killed"],
        0,
    ),
    "asked to stop while gunicorn starts: it is still draining, whatever gunicorn says": (
        (SIGTERM, loading(), ready(21), gone(21), wait(RECOVERY_SECONDS)),
        [DRAINING_REASON, "nginx gets SIGQUIT"],
        None,
    ),
    "nginx fails: gunicorn is stopped, and the status is nginx's": (
        (*START, ends(NGINX, 3), ends(GUNICORN, 0)),
        [*STARTED, "503 nginx has ended.", "gunicorn gets SIGTERM"],
        3,
    ),
    "nginx is killed: the status is that of a signal": (
        (*START, ends(NGINX, 137), ends(GUNICORN, 0)),
        [*STARTED, "503 nginx has ended.", "gunicorn gets SIGTERM"],
        137,
    ),
    "nginx cannot start": (
        (ends(NGINX, 1), ends(GUNICORN, 143)),
        ["503 nginx has ended.", "gunicorn gets SIGTERM"],
        1,
    ),
    "gunicorn fails: nginx is stopped, and the status is gunicorn's": (
        (loading(), ends(GUNICORN, 3), ends(NGINX, 0)),
        [LOADING_REASON, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        3,
    ),
    "a worker cannot load its copy, and gunicorn ends the others: the status is gunicorn's": (
        (
            loading(),
            gone(21, UNABLE),
            gone(22, UNABLE),
            gone(23, UNABLE._replace(cause=ASKED)),
            ends(GUNICORN, 3),
            ends(NGINX, 0),
        ),
        [LOADING_REASON, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        3,
    ),
    "gunicorn is killed: the status is that of a signal": (
        (*START, ends(GUNICORN, 139), ends(NGINX, 0)),
        [*STARTED, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        139,
    ),
    "gunicorn ends with 0 although nobody asked it to: that is no success": (
        (*START, ends(GUNICORN, 0), ends(NGINX, 0)),
        [*STARTED, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        1,
    ),
    "both die at once: the first one's status counts": (
        (*START, ends(GUNICORN, 137), ends(NGINX, 139)),
        [*STARTED, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        137,
    ),
    "asked to stop after a death: the status stays that of the death": (
        (*START, ends(GUNICORN, 137), SIGTERM, ends(NGINX, 0)),
        [*STARTED, "503 gunicorn has ended.", "nginx gets SIGTERM"],
        137,
    ),
    "the survivor of a death does not stop: it is killed": (
        (*START, ends(NGINX, 1), wait(STOP_SECONDS), ends(GUNICORN, 137)),
        [*STARTED, "503 nginx has ended.", "gunicorn gets SIGTERM", "gunicorn is killed"],
        1,
    ),
    "orphans come and go": (
        (*START, ends(4711, 0), ends(4712, 137), wait(3600)),
        STARTED,
        None,
    ),
    "no worker is ready in time: the start is given up": (
        (loading(), wait(STARTUP_TIMEOUT), ends(NGINX, 0), ends(GUNICORN, 143)),
        [LOADING_REASON, "nginx gets SIGTERM", "gunicorn gets SIGTERM", "gunicorn gets SIGTERM"],
        1,
    ),
    "a start that is given up, and children that do not stop: they are killed": (
        (loading(), wait(STARTUP_TIMEOUT), wait(STOP_SECONDS)),
        [LOADING_REASON, "nginx gets SIGTERM", "gunicorn gets SIGTERM", "nginx is killed", "gunicorn is killed"],
        None,
    ),
    "a slow start is patiently awaited": (
        (loading(), wait(STARTUP_TIMEOUT - A_MOMENT), ready(21)),
        [LOADING_REASON, "200"],
        None,
    ),
    "the time limit of the start means nothing once a worker was ready": (
        (*START, wait(10 * STARTUP_TIMEOUT)),
        STARTED,
        None,
    ),
    "one worker of two dies: there is another": (
        (*START, gone(21), wait(3600)),
        STARTED,
        None,
    ),
    "all workers die and one comes back in time: nobody notices": (
        (*START, gone(21), gone(22), wait(RECOVERY_SECONDS - A_MOMENT), ready(23), wait(3600)),
        [*STARTED, "200"],
        None,
    ),
    "all workers die and none comes back in time: unhealthy, and alive": (
        (*START, gone(21), gone(22), wait(RECOVERY_SECONDS), wait(3600)),
        [*STARTED, NO_WORKER_REASON],
        None,
    ),
    "a worker that comes back late makes the container healthy again": (
        (*START, gone(21), gone(22), wait(RECOVERY_SECONDS), wait(60), ready(23)),
        [*STARTED, NO_WORKER_REASON, "200"],
        None,
    ),
    "workers die again after a recovery: they have the same time again": (
        (*START, gone(21), gone(22), wait(4), ready(23), gone(23), wait(4), ready(24)),
        [*STARTED, "200", "200"],
        None,
    ),
    "a replacement dies before it is ready: the time since the last ready worker counts": (
        (*START, gone(21), gone(22), wait(3), gone(23), wait(RECOVERY_SECONDS - 3)),
        [*STARTED, NO_WORKER_REASON],
        None,
    ),
    "workers that die before any was ready are the start's business, not a recovery's": (
        (loading(), gone(21), gone(22), wait(RECOVERY_SECONDS)),
        [LOADING_REASON],
        None,
    ),
    "three workers die before any was ready: the start is given up, once": (
        (loading(), gone(21), gone(22), gone(23), gone(24), ends(GUNICORN, 0), ends(NGINX, 0)),
        [LOADING_REASON, "nginx gets SIGTERM", "gunicorn gets SIGTERM", "nginx gets SIGTERM"],
        1,
    ),
    "workers that die young once the server was ready are replaced": (
        (*START, gone(21), gone(23), gone(24), gone(25)),
        STARTED,
        None,
    ),
    "generation after generation dies and has answered nothing: the container ends, and says so once": (
        (*START, *CRASHES, gone(26), ends(GUNICORN, 0), ends(NGINX, 0)),
        [*STARTED, *5 * ["200"], CRASHING_REASON, "nginx gets SIGTERM", "gunicorn gets SIGTERM", "nginx gets SIGTERM"],
        1,
    ),
    "workers that have answered are killed again and again: they are replaced": (
        (*START, *(gone(pid, CRASH._replace(answered=1)) for pid in range(100, 200)), ready(201)),
        [*STARTED, "200"],
        None,
    ),
    "one worker of two cannot be replaced: the container ends all the same": (
        (*START, *(event for pid in range(30, 35) for event in (wait(1), gone(pid, CRASH_IN_LOADING)))),
        [*STARTED, CRASHING_REASON, "nginx gets SIGTERM", "gunicorn gets SIGTERM"],
        None,
    ),
    "workers end because the server stops: that makes nothing unhealthy": (
        (*START, SIGTERM, ends(NGINX, 0), gone(21), gone(22), wait(RECOVERY_SECONDS)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        None,
    ),
    "asked to stop while no worker is ready": (
        (*START, gone(21), gone(22), SIGTERM, wait(RECOVERY_SECONDS), ends(NGINX, 0), ends(GUNICORN, 0)),
        [*STARTED, DRAINING_REASON, "nginx gets SIGQUIT", "gunicorn gets SIGTERM"],
        0,
    ),
}


@pytest.mark.parametrize(("events", "journal", "exit_status"), HISTORIES.values(), ids=HISTORIES)
def test_history(events: tuple[Event, ...], journal: list[str], exit_status: int) -> None:
    life = Life().live(*events)
    assert life.journal == journal
    assert life.supervisor.exit_status == exit_status


def test_nothing_is_healthy_before_a_worker_is_ready() -> None:
    life = Life().live(loading(), wait(60), gone(21), wait(60))
    assert "200" not in life.journal


@pytest.mark.parametrize("order", [(NGINX, GUNICORN), (GUNICORN, NGINX)])
def test_there_is_no_exit_status_while_a_child_lives(order: tuple[int, int]) -> None:
    first, second = order
    life = Life().live(*START, SIGTERM)
    assert life.supervisor.exit_status is None
    life.live(ends(first, 0))
    assert life.supervisor.exit_status is None
    life.live(ends(second, 0))
    assert life.supervisor.exit_status == 0


def test_a_healthy_server_awaits_nothing_and_so_sleeps_until_something_happens() -> None:
    assert Life().live(*START).supervisor.seconds_left is None


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ((), STARTUP_TIMEOUT),
        ((loading(), wait(100)), STARTUP_TIMEOUT - 100),
        ((*START, gets(signal.SIGTERM)), LAST_CALL_SECONDS),
        ((*START, SIGTERM), REST_OF_DRAIN),
        ((*START, ends(NGINX, 1)), STOP_SECONDS),
        ((*START, gone(21), gone(22)), RECOVERY_SECONDS),
    ],
    ids=["starting", "loading", "last call", "draining", "ending", "recovering"],
)
def test_it_is_known_how_long_to_wait(events: tuple[Event, ...], seconds: float) -> None:
    assert Life().live(*events).supervisor.seconds_left == pytest.approx(seconds)


def test_a_missed_deadline_is_due_at_once_never_in_the_past() -> None:
    life = Life()
    life.clock.advance(2 * STARTUP_TIMEOUT)
    assert life.supervisor.seconds_left == 0


@pytest.mark.parametrize("pid", [NGINX, GUNICORN])
def test_what_a_dead_child_leaves_behind_is_killed(pid: int) -> None:
    """nginx's workers outlive their master and keep the port; a hung canary outlives gunicorn."""
    life = Life().live(*START, ends(pid, 137))
    assert life.children[pid].remains_are_killed


def test_everything_has_ended_before_sagemaker_loses_its_patience() -> None:
    assert LAST_CALL_SECONDS + door.DRAIN_SECONDS < DRAIN_SECONDS < KILL_AFTER_SIGTERM
    assert DRAIN_SECONDS <= 25


def test_a_death_is_one_line_and_a_wanted_one_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "serving.supervisor")
    Life().live(*START, gone(21), gone(22, CRASH._replace(cause=ASKED, words="it was asked to end, and did")))
    crashed, asked = [record for record in caplog.records if record.message.startswith("worker gone")]
    assert (crashed.levelname, crashed.message) == ("WARNING", "worker gone: it crashed (SIGSEGV)")
    assert (crashed.pid, crashed.cause, crashed.signal, crashed.in_model) == (21, "crashed", "SIGSEGV", 1)
    assert (asked.levelname, asked.message) == ("INFO", "worker gone: it was asked to end, and did")


def test_deaths_are_counted_by_cause_but_not_those_that_were_wanted() -> None:
    life, counted = Life(), []
    life.supervisor = Supervisor(
        *life.children.values(), FakeVerdict([]), STARTUP_TIMEOUT, life.clock, count_death=counted.append
    )
    life.live(*START, gone(21), gone(22, CRASH._replace(cause=ASKED)), SIGTERM, gone(23))
    assert counted == [CRASHED]


def test_the_last_words_of_a_crash_loop_are_critical_and_name_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    Life().live(*START, *CRASHES)
    (last,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert last.message.startswith("giving up: 5 generations of workers have died one after the other")
    assert "it crashed (SIGSEGV)" in last.message


def test_a_start_that_is_given_up_names_the_cause_of_the_last_death(caplog: pytest.LogCaptureFixture) -> None:
    Life().live(loading(), *(gone(pid, CRASH_IN_LOADING) for pid in (21, 22, 23)))
    (last,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert "3 workers died before one was ready; of the last one: it crashed (SIGSEGV)." in last.message
