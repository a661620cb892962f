"""What a user is told when something cannot be done."""

from collections.abc import Sequence


class Refused(Exception):
    """
    Nothing, or nothing more, is done; the message says what was found, and what to do about it.

    Attributes:
        lines: the message; the first line says what is wrong, the others what helps.
    """

    def __init__(self, *lines: str):
        super().__init__("\n".join(lines))
        self.lines: Sequence[str] = lines


class NoLongerWaiting(Refused):
    """The user pressed Ctrl-C: AWS goes on with what was begun, so nothing is to be put back."""
