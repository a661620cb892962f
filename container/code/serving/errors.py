"""What can go wrong, and whose fault it is: `RequestError` for a caller, `StartError` for an operator."""

import json

MAX_REQUEST_ID = 64
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


class InputKillsTheModel(RequestError):
    """Workers have died over this input, and it is not given to another one for a while."""

    status, code = 422, "input_kills_the_model"


class ModelFailed(RequestError):
    """The model or one of its hooks raised an exception, or returned something that cannot be sent."""

    status, code = 500, "model_failed"


class NotReady(RequestError):
    """The model is not loaded, or the server is on its way out."""

    status, code = 503, "not_ready"


class Overloaded(RequestError):
    """The request would wait too long; `retry_after` is when to come again, in whole seconds."""

    status, code = 503, "overloaded"

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class CallerGone(RequestError):
    """The caller closed the connection before the answer was begun. Nobody sees this but the log."""

    status, code = 499, "caller_gone"  # the status is nginx's


class DeadlineExceeded(RequestError):
    """The model did not answer within the request's deadline."""

    status, code = 504, "deadline_exceeded"


class StartError(Exception):
    """The server cannot start. The message says what was looked for, what was found and what to do."""


def error_body(code: str, message: str, request_id: str | None) -> bytes:
    """Return the JSON body of an error answer, at most 1 KB, the same for every error."""
    request_id = request_id and request_id[:MAX_REQUEST_ID]
    body = written(code, message, request_id)
    while len(body) > MAX_BODY:
        # A character takes six bytes at most (as \u0000), so that this never drops too many.
        excess = len(body) - MAX_BODY
        message = message[: -max(2, excess // 6)]
        body = written(code, f"{message}…", request_id)
    return body


def written(code: str, message: str, request_id: str | None) -> bytes:
    """Return the error as JSON; half a surrogate pair, which UTF-8 has no bytes for, becomes a question mark."""
    error = {"code": code, "message": message, "request_id": request_id}
    return json.dumps({"error": error}, ensure_ascii=False).encode(errors="replace")
