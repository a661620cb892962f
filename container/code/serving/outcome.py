"""What became of a call: its value, or its error; so that one thread can hand it to another."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """What a call returned, or raised."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is None:
            return self.value
        try:
            raise self.error
        finally:
            del self  # the error has this frame in its traceback: a cycle, with all that the caller holds in it


def outcome_of(call: Callable[..., Any], *arguments: Any) -> Outcome:
    """Return what *call* returns or raises, SystemExit too: a hook must not take the thread with it."""
    try:
        return Outcome(value=call(*arguments))
    except BaseException as error:
        return Outcome(error=error)
