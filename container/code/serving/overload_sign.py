"""
The sign at the door: a file that is there while too many wait, at which nginx refuses without asking a worker.

A worker whose model computes in Python shares the interpreter's lock with it. To refuse there what comes ten times too
often takes the model some hundredths of the CPU.
"""

import logging
from pathlib import Path

from serving.worker_table import Row, WorkerTable

log = logging.getLogger(__name__)


def sign_path(run_dir: Path) -> Path:
    """Return the path of the sign."""
    return run_dir / "overloaded"


class OverloadSign:
    """
    One worker's part in the sign, which hangs from a refusal until any worker is done with its call of the model.

    nginx asks the worker with the fewest requests. If that one refuses, whoever comes next would be refused too, until
    one of them has fewer: when its call ends. Where a worker has no call that could end, the sign does not hang.
    """

    def __init__(self, table: WorkerTable, row: Row, path: Path):
        """Go by the rows of *table*, of which *row* is the worker's own, and hang the sign at *path*."""
        self._table, self._row, self._path = table, row, path

    def begun(self) -> None:
        """Note that the worker calls the model."""
        self._row.busy = True

    def ended(self) -> None:
        """Note that it is done, and can let somebody in."""
        self._row.busy = False
        if self._table.sign_hangs:
            self._take_down()

    def hang(self) -> None:
        """Let nobody in, if all workers are busy."""
        if not self._table.all_busy:
            return
        try:
            self._path.touch(mode=0o644)
        except OSError as error:  # every worker goes on to refuse by itself
            log.debug("the sign cannot be hung: %s", error)
            return
        self._table.sign_hangs = True  # now, and not before: whoever sees it removes a file that is there
        if not self._table.all_busy:  # one was done meanwhile, and may have seen no sign
            self._take_down()

    def _take_down(self) -> None:
        self._table.sign_hangs = False
        take_down(self._path)


def take_down(path: Path) -> None:
    """Remove the sign, for a worker that is done, or that has died before it was."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("nginx refuses everybody, for its sign cannot be removed: %s", error)
