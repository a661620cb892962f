"""A container that was paused goes on with the workers that it had."""

from fakes import FakeClock
from serving.arbiter import PAUSE, Pauses


def test_a_pause_is_told_from_a_busy_second():
    clock = FakeClock()
    pauses = Pauses(clock)
    for seconds, paused in [(1, False), (PAUSE, False), (PAUSE + 1, True), (1, False)]:
        clock.now += seconds
        assert pauses.have_just_ended() is paused
