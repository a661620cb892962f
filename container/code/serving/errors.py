"""What can go wrong, and whose fault it is: `RequestError` for a caller, `StartError` for an operator."""

import json

MAX_BODY = 1024  # bytes; SageMaker relays the body as OriginalMessage


class RequestError(Exception):
    """An answer other than 200: `status` for the caller, `code` for programs, `message` for people."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.code = code or self.code


class BadRequest(RequestError):
    """The body cannot be decoded, or has the wrong columns."""

    status, code = 400, "bad_request"


class NotAcceptable(RequestError):
    """The model cannot answer in any media type of the Accept header."""

    status, code = 406, "not_acceptable"


class PayloadTooLarge(RequestError):
    """The body, as sent or after decompression, is over the limit."""

    status, code = 413, "payload_too_large"


class UnsupportedMediaType(RequestError):
    """The model does not read this Content-Type or Content-Encoding."""

    status, code = 415, "unsupported_media_type"


class UnprocessableInput(RequestError):
    """The body is well formed, but the model refuses what it says."""

    status, code = 422, "unprocessable_input"


class ModelFailed(RequestError):
    """The model or one of its hooks raised an exception, or returned something that cannot be sent."""

    status, code = 500, "model_failed"


class NotReady(RequestError):
    """The model is not loaded, or the server is on its way out."""

    status, code = 503, "not_ready"


class DeadlineExceeded(RequestError):
    """The model did not answer within the request's deadline."""

    status, code = 504, "deadline_exceeded"


class StartError(Exception):
    """The server cannot start. The message says what was looked for, what was found and what to do."""


def error_body(code: str, message: str, request_id: str | None) -> bytes:
    """Return the JSON body of an error answer, at most 1 KB, the same for every error."""
    error = {"code": code, "message": message, "request_id": request_id}
    body = json.dumps({"error": error}, ensure_ascii=False).encode()
    excess = len(body) - MAX_BODY
    if excess <= 0:
        return body
    # A character takes one byte or more, so that dropping as many as there are bytes too many is enough.
    return error_body(code, message[: -excess - len("…".encode())] + "…", request_id)
