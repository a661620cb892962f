"""What goes back, and into the log, when there is no answer: the same for every route."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from serving.errors import NotReady, Overloaded, RequestError, error_body
from serving.inference import NO_HEADERS

FAULT_OF_OURS = "The server failed; the log has the details."

JSON = "application/json"

log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """What stands in the place of an answer: its body is JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str] = NO_HEADERS
    code: str = RequestError.code


def refusal_of(error: Exception, request_id: str) -> Refusal:
    """Return what *error* is answered with; log what the caller is not told."""
    if not isinstance(error, RequestError):
        log.error("unexpected error", exc_info=error, extra={"request_id": request_id})
        return Refusal(RequestError.status, error_body(RequestError.code, FAULT_OF_OURS, request_id))
    if error.__cause__ is not None:
        log.error(error.message, exc_info=error.__cause__, extra={"request_id": request_id})
    return Refusal(error.status, error_body(error.code, error.message, request_id), headers_of(error), error.code)


def headers_of(error: RequestError) -> Mapping[str, str]:
    """Return when to come again, for what will pass."""
    if isinstance(error, Overloaded):
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": "1"} if isinstance(error, NotReady) else NO_HEADERS
