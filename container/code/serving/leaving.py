"""The end of a worker whose model still computes, for nobody: its callers have had their answer, or have gone."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

log = logging.getLogger(__name__)


def leave() -> NoReturn:
    """
    End this process with 0, and do not take the interpreter down.

    A thread that comes back from native code into an interpreter that is being taken down is ended on the spot, and
    with C++ on its stack that is SIGABRT: a crash in the log, and a core file, where all was well.
    """
    try:
        log.info("ended while the model was computing for nobody")
        for flush in (logging.shutdown, sys.stdout.flush, sys.stderr.flush):
            with suppress(OSError, ValueError):  # nobody reads it any more
                flush()
    finally:
        os._exit(0)
