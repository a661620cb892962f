"""What goes back, and into the log, when there is no answer: the same for every route."""

import logging

from serving.errors import RequestError, error_body

FAULT_OF_OURS = "The server failed; the log has the details."

JSON = "application/json"

log = logging.getLogger(__name__)


def refusal_of(error: Exception, request_id: str) -> tuple[int, bytes]:
    """Return the status and the JSON body that *error* is answered with; log what the caller is not told."""
    if not isinstance(error, RequestError):
        log.error("unexpected error", exc_info=error, extra={"request_id": request_id})
        return RequestError.status, error_body(RequestError.code, FAULT_OF_OURS, request_id)
    if error.__cause__ is not None:
        log.error(error.message, exc_info=error.__cause__, extra={"request_id": request_id})
    return error.status, error_body(error.code, error.message, request_id)
