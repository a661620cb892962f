"""The sign at which nginx refuses: it hangs only while every worker has a call of the model that will take it down."""

import logging
from pathlib import Path

import pytest

from fakes import FakeClock
from serving.admission import WORTH_A_SIGN, Admission
from serving.batch_limit import BatchLimit
from serving.errors import Overloaded
from serving.overload_sign import OverloadSign, sign_path, take_down
from serving.worker_table import WorkerTable

LONG = 10_000.0  # seconds that a request has


@pytest.fixture
def table() -> WorkerTable:
    return WorkerTable(2, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sign_path(tmp_path)


def sign_of(slot: int, table: WorkerTable, path: Path) -> OverloadSign:
    return OverloadSign(table, table.row(slot), path)


@pytest.fixture
def signs(table: WorkerTable, path: Path) -> tuple[OverloadSign, OverloadSign]:
    """Both workers' parts; both are busy."""
    first, second = sign_of(0, table, path), sign_of(1, table, path)
    first.begun()
    second.begun()
    return first, second


def test_it_hangs_from_a_refusal_until_the_worker_is_done(signs: tuple[OverloadSign, OverloadSign], path: Path) -> None:
    signs[0].hang()
    assert path.exists()
    signs[0].ended()
    assert not path.exists()


def test_another_worker_that_is_done_takes_it_down_too(signs: tuple[OverloadSign, OverloadSign], path: Path) -> None:
    signs[0].hang()
    signs[1].ended()
    assert not path.exists()


def test_it_can_hang_again(signs: tuple[OverloadSign, OverloadSign], path: Path) -> None:
    for _ in range(3):
        signs[0].hang()
        signs[0].hang()
        assert path.exists()
        signs[1].ended()
        assert not path.exists()
        signs[1].begun()


def test_it_does_not_hang_while_a_worker_is_idle(signs: tuple[OverloadSign, OverloadSign], path: Path) -> None:
    signs[1].ended()
    signs[0].hang()
    assert not path.exists()


def test_it_does_not_hang_while_a_worker_is_not_there(
    signs: tuple[OverloadSign, OverloadSign], table: WorkerTable, path: Path
) -> None:
    table.bury(table.row(1), certain=True)
    signs[0].hang()
    assert not path.exists()


def test_a_worker_without_a_number_neither_hangs_it_alone_nor_keeps_it(
    signs: tuple[OverloadSign, OverloadSign], table: WorkerTable, path: Path
) -> None:
    """gunicorn has one more worker than numbers while it reloads."""
    surplus = OverloadSign(table, table.row(None), path)
    surplus.begun()
    signs[0].hang()
    surplus.ended()
    assert not path.exists()
    signs[1].ended()
    surplus.begun()
    surplus.hang()
    assert not path.exists()


class Between(type(Path())):  # type: ignore[misc]
    """A path at which something happens in the moment after the sign was hung."""

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        super().touch(mode, exist_ok)
        self.then()


def test_who_is_done_in_the_moment_in_which_it_is_hung_is_not_overlooked(
    signs: tuple[OverloadSign, OverloadSign], table: WorkerTable, path: Path
) -> None:
    between = Between(path)
    between.then = signs[1].ended
    sign_of(0, table, between).hang()
    assert not path.exists()


def test_a_sign_that_cannot_be_hung_leaves_the_refusals_to_the_workers(table: WorkerTable, tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "overloaded"
    for slot in (0, 1):
        sign_of(slot, table, path).begun()
    sign_of(0, table, path).hang()
    assert not table.sign_hangs


def test_a_sign_that_cannot_be_removed_is_an_error_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    with caplog.at_level(logging.ERROR):
        take_down(path)
    assert "nginx refuses everybody, for its sign cannot be removed" in caplog.text


# -- when it is hung


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Seen:
    """A sign that notes whether it hangs."""

    hangs = False

    def begun(self) -> None:
        pass

    def ended(self) -> None:
        self.hangs = False

    def hang(self) -> None:
        self.hangs = True


def admission_at_work(clock: FakeClock, sign: Seen, call_seconds: float, max_wait: float | None = None) -> Admission:
    """Return the admission to a model that takes so long, and has just been called."""
    admission = Admission(BatchLimit(1), max_wait, clock, sign)
    admission.begun()
    clock.now += call_seconds
    admission.ended()
    admission.begun()
    return admission


def refused(admission: Admission, ahead: int, seconds_left: float = LONG) -> bool:
    try:
        admission.refuse_if_late(ahead, seconds_left)
    except Overloaded:
        return True
    return False


def test_a_refusal_hangs_it_and_the_end_of_the_call_takes_it_down(clock: FakeClock) -> None:
    sign = Seen()
    admission = admission_at_work(clock, sign, 0.1)
    assert not refused(admission, 3)
    assert not sign.hangs
    assert refused(admission, 50)
    assert sign.hangs
    clock.now += 0.1
    admission.ended()
    assert not sign.hangs


def test_who_has_too_little_time_himself_keeps_nobody_else_out(clock: FakeClock) -> None:
    sign = Seen()
    admission = admission_at_work(clock, sign, 0.1)
    assert refused(admission, 3, seconds_left=0.2)
    assert not sign.hangs


@pytest.mark.parametrize(
    ("call_seconds", "max_wait", "ahead", "hangs"),
    [(10.0, 25.0, 2, False), (10.0, 25.0, 3, True), (0.1, None, 7, True), (2.0, None, 6, True), (1.5, 2.0, 1, False)],
)
def test_it_keeps_nobody_out_who_would_be_let_in_later_in_the_same_call(
    clock: FakeClock, call_seconds: float, max_wait: float | None, ahead: int, hangs: bool
) -> None:
    """But for its last eighth of a second: with calls of 0.1 s, half of one."""
    sign = Seen()
    admission = admission_at_work(clock, sign, call_seconds, max_wait)
    assert refused(admission, ahead)
    assert sign.hangs is hangs
    clock.now += 0.9 * call_seconds
    assert refused(admission, ahead) is (hangs and call_seconds > 1)


def test_in_a_call_that_takes_longer_than_usual_it_hangs_whatever_the_patience(clock: FakeClock) -> None:
    sign = Seen()
    admission = admission_at_work(clock, sign, 10.0, max_wait=25.0)
    clock.now += 16.0
    assert refused(admission, 2)
    assert sign.hangs


def test_it_is_not_worth_it_for_a_call_that_ends_in_a_moment(clock: FakeClock) -> None:
    sign = Seen()
    admission = admission_at_work(clock, sign, 0.1)
    clock.now += 0.1 - WORTH_A_SIGN / 2
    assert refused(admission, 50)
    assert not sign.hangs
    assert refused(admission_at_work(clock, sign, WORTH_A_SIGN / 2), 5000)
    assert not sign.hangs


def test_it_is_not_hung_between_two_calls_for_then_none_would_take_it_down(clock: FakeClock) -> None:
    sign = Seen()
    admission = admission_at_work(clock, sign, 0.1)
    admission.ended()
    assert refused(admission, 50)
    assert not sign.hangs
