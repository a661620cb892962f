"""How many files a process may have open. Each connection is one, so that this also limits the connections."""

import contextlib
import resource

WANTED = 65536  # for the connections of the largest nginx, and the bodies beside them; Docker often allows 1024


def raise_open_file_limit() -> int:
    """Raise our limit, and with it that of our children, as far as we may and want to; return what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if finite(soft) < WANTED:
        with contextlib.suppress(ValueError, OSError):  # macOS says that there is no limit, and means its kernel's
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(finite(hard), WANTED), hard))
    return open_file_limit()


def open_file_limit() -> int:
    """Return how many files this process may have open."""
    return finite(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def finite(limit: int) -> int:
    """Return the limit as a number that can be compared; "none" is more than anybody wants."""
    return WANTED if limit == resource.RLIM_INFINITY else limit
