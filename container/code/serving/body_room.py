"""How many bytes of bodies a worker holds at once: a queue that is bounded by time alone could fill the memory."""

from serving.errors import Overloaded
from serving.settings import MEGABYTE

PART = 8  # of the memory, for the bodies that all workers hold
LEAST = 64 * MEGABYTE


class BodyRoom:
    """Counts the bodies that were read, or are being read, and whose requests are not answered yet."""

    def __init__(self, most: int | None):
        """Hold up to *most* bytes, None for no limit; a body that is the only one always has room."""
        self._most, self._held = most, 0

    def take(self, size: int, *, at_any_rate: bool = False) -> None:
        """
        Make room for a body of *size* bytes.

        Raises:
            Overloaded: there is none before others are answered, and it need not be found *at any rate*.
        """
        if self._most is not None and self._held and self._held + size > self._most and not at_any_rate:
            raise Overloaded(
                f"The server holds {self._held / MEGABYTE:.0f} MB of requests that are not answered yet, and has no "
                f"room for {size / MEGABYTE:.1f} MB more. Try again later, at a lower rate, or with smaller requests.",
                retry_after=1,
            )
        self._held += size

    def give_back(self, size: int) -> None:
        """Note that the request with a body of *size* bytes is answered."""
        self._held -= size


def room_for_bodies(memory: int | None, workers: int) -> BodyRoom:
    """Return the room that each of *workers* has, of *memory* bytes in all, None if nobody knows how many."""
    return BodyRoom(None if memory is None else max(LEAST, memory // PART // workers))
