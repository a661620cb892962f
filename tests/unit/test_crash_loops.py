"""Workers that die again and again for nothing end the container; whatever else kills workers does not."""

import pytest

from fakes import FakeClock
from serving.crash_loop import IN_A_ROW, SHORT_LIFE, CrashLoop
from serving.deaths import ASKED, CAUSES, CRASHED, KILLED, REFUSED, Death

CRASH = Death(CRASHED, "it crashed", seconds_lived=1.0, seconds_ready=0.5)
LOADING = CRASH._replace(seconds_ready=None)


class Loop:
    """A loop detector that is told of one generation after the other, a second and more apart."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = CrashLoop(self.clock)

    def after(self, *deaths: Death, seconds: float = 1.5) -> list[bool]:
        said = []
        for death in deaths:
            self.clock.advance(seconds)
            said.append(self.loop.add(death))
        return said


@pytest.mark.parametrize("death", [CRASH, LOADING], ids=["ready but of no use", "never ready"])
def test_five_generations_that_have_answered_nothing_are_a_loop(death: Death) -> None:
    assert Loop().after(*[death] * IN_A_ROW) == [False] * (IN_A_ROW - 1) + [True]


@pytest.mark.parametrize("cause", sorted(set(CAUSES) - {ASKED, REFUSED, KILLED}))
def test_every_cause_that_is_the_workers_own_counts(cause: str) -> None:
    assert Loop().after(*[CRASH._replace(cause=cause)] * IN_A_ROW)[-1]


INNOCENT = {
    "they had answered": CRASH._replace(answered=1),
    "they were there for a while": CRASH._replace(seconds_ready=SHORT_LIFE + 1),
    "an input was on trial, and will be refused": CRASH._replace(on_trial=True),
    "somebody kills workers that are ready": CRASH._replace(cause=KILLED),
    "they were asked to": CRASH._replace(cause=ASKED),
}


@pytest.mark.parametrize("death", INNOCENT.values(), ids=INNOCENT)
def test_a_hundred_deaths_are_no_loop_where(death: Death) -> None:
    assert not any(Loop().after(*[death] * 100))


def test_a_worker_that_has_answered_ends_the_row() -> None:
    almost = [CRASH] * (IN_A_ROW - 1)
    assert not any(Loop().after(*almost, CRASH._replace(answered=1), *almost))


def test_somebody_who_kills_workers_before_they_are_ready_is_no_loop_while_others_answer() -> None:
    killed = LOADING._replace(cause=KILLED)
    assert not any(Loop().after(*(killed._replace(answered_by_all=number) for number in range(100))))
    assert Loop().after(*[killed] * IN_A_ROW)[-1]  # a hook could do that to itself


def test_workers_that_die_together_are_one_generation() -> None:
    loop = Loop()
    for _ in range(IN_A_ROW - 1):
        loop.clock.advance(1.5)
        assert not any(loop.loop.add(CRASH) for _ in range(8))
    loop.clock.advance(1.5)
    assert loop.loop.add(CRASH)


def test_the_last_words_name_each_cause_once_and_what_to_do() -> None:
    loop = Loop()
    loop.after(*[CRASH] * 3, *[CRASH._replace(words="it ended itself with exit status 7")] * 2)
    assert "5 generations of workers have died one after the other and have answered nothing" in loop.loop.in_words
    assert "it crashed; it ended itself with exit status 7." in loop.loop.in_words
    assert "SAGEMAKER_MODEL_SERVER_WORKERS=1, or more memory" in loop.loop.in_words


def test_workers_that_are_killed_while_they_load_are_a_loop_however_much_was_answered_before() -> None:
    killed = LOADING._replace(cause=KILLED, answered_by_all=1000)
    unknown = LOADING._replace(cause=KILLED, answered_by_all=0)  # it died before it took its row over
    said = Loop().after(killed, *[unknown, killed] * IN_A_ROW)
    assert said.index(True) == IN_A_ROW  # the first one said that there had been answers


def test_workers_that_cannot_load_end_nothing_while_others_answer() -> None:
    loading = (LOADING._replace(answered_by_all=number) for number in range(1, 100))
    assert not any(Loop().after(*loading))
