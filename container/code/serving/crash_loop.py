"""Workers that die again and again for nothing: then the container ends, and says why, rather than spin."""

from collections.abc import Callable

from serving.deaths import ASKED, KILLED, REFUSED, Death

IN_A_ROW = 5  # generations of workers
SHORT_LIFE = 60.0  # seconds as a ready worker; who was idle for longer did not die of starting


class CrashLoop:
    """
    Counts deaths of workers that have answered nothing, while no other worker has answered anything either.

    One generation counts once: of workers that die together, and of a worker that was there before the last death,
    nothing is learnt of its successors. An input on trial is to blame itself, and will be refused. Somebody who kills
    workers is no crash either, unless none of them gets so far as to be ready.
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._causes: list[str] = []
        self._last_at = float("-inf")
        self._answered = 0

    @property
    def in_words(self) -> str:
        """What has happened, and what to do about it."""
        return (
            f"{len(self._causes)} generations of workers have died one after the other and have answered nothing: "
            f"{'; '.join(dict.fromkeys(self._causes))}. The lines 'worker gone' say of each what is known. Look for a "
            "hook that ends its process, for a native library that crashes on the model or on every input, or for too "
            "little memory: try SAGEMAKER_MODEL_SERVER_WORKERS=1, or more memory."
        )

    def add(self, death: Death) -> bool:
        """Take note of a death; return whether that makes a loop."""
        others_answer = death.answered_by_all > self._answered
        self._answered = max(self._answered, death.answered_by_all)
        if was_of_use(death) or others_answer:
            self._causes.clear()
        elif not has_another_reason(death):
            self._count(death)
        return len(self._causes) >= IN_A_ROW

    def _count(self, death: Death) -> None:
        now = self._clock()
        if now - death.seconds_lived >= self._last_at:
            self._causes.append(death.words)
            self._last_at = now


def was_of_use(death: Death) -> bool:
    """Tell whether the worker has answered, or was there to answer for a while."""
    return death.answered > 0 or (death.seconds_ready or 0.0) > SHORT_LIFE


def has_another_reason(death: Death) -> bool:
    """Tell whether the next worker has no reason to die in the same way."""
    killed_at_work = death.cause == KILLED and death.seconds_ready is not None
    return death.cause in (ASKED, REFUSED) or death.on_trial or killed_at_work
