"""`python -m deploy marketplace` as it is typed, in this process: a new one would take most of a test's time."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from deploy.__main__ import main


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def marketplace(*arguments: object) -> Done:
    """Type the command; return its exit status and what it wrote."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main(["marketplace", *map(str, arguments)])
    return Done(status, out.getvalue(), err.getvalue())
