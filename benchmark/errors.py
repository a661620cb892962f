"""What ends a run, and how it is said."""

import sys


class Refused(Exception):
    """The run cannot be what was asked for; each line is for the user."""

    def __init__(self, *lines: str):
        super().__init__("\n".join(lines))
        self.lines = lines


class Unfit(Exception):
    """One server cannot be measured; the others go on, and the report has the reason."""


def say(line: str) -> None:
    """Write a line of progress to stderr, so that stdout holds the result alone."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
