"""What can be known of a caller's connection while the caller waits."""

import select
from typing import Protocol


class Open(Protocol):
    """A socket, as far as it matters here."""

    def fileno(self) -> int:
        """Return the descriptor, -1 when it is closed."""


def has_gone(connection: Open | None) -> bool:
    """Tell whether the other side has closed *connection*, as nginx does when its own client hangs up."""
    if connection is None:  # not served by gunicorn
        return False
    if (descriptor := connection.fileno()) < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up and an error are told in any case
    return bool(poll.poll(0))
