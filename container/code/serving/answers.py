"""What hooks return and raise, as answers: a whole body, or its first part and the rest when it is asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from serving.errors import BadRequest, ModelFailed, RequestError
from serving.inference import InferenceResponse
from serving.media_types import MAX_CONTENT_TYPE
from serving.response_headers import is_visible

BAD_INPUT = (ValueError, TypeError, KeyError, IndexError)  # what parsing code raises at bytes it cannot read


def call_hook(name: str, hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's code; what it raises becomes a `RequestError` that tells the caller no more than it should."""
    try:
        return hook(*arguments)
    except RequestError:
        raise
    except BaseException as error:  # SystemExit and asyncio's CancelledError too: this is not the main thread
        raise hook_failure(name, error) from error


def hook_failure(name: str, error: BaseException) -> RequestError:
    """
    Return what the caller is told of an exception in a hook.

    An exception with a `status_code` (as AWS's toolkits raise) is an answer of the user's own making. Otherwise
    a parsing error in `input_fn` is the caller's, and anything else is the model's.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status <= 599:
        return RequestError(str(getattr(error, "message", error)), status=status, code=f"{name}_refused")
    if name == "input_fn" and isinstance(error, BAD_INPUT):
        return BadRequest(f"input_fn cannot read the body ({type(error).__name__}); the log has the details.")
    return ModelFailed(f"{name} failed ({type(error).__name__}); the log has the details.")


def response_from(name: str, result: Any, accept: str) -> InferenceResponse:
    """Return what an output hook gave: a body or its parts, a pair with the content type, or a Flask-like response."""
    if hasattr(result, "get_data") and hasattr(result, "content_type"):
        refuse_error_status(name, result)
        streamed = getattr(result, "is_streamed", False)
        result = (parts_in(result) if streamed else result.get_data()), result.content_type
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, accept)
    with ExitStack() as stack:
        if close := getattr(body, "close", None):
            stack.callback(call_hook, name, close)
        refuse_content_type(name, content_type)
        stack.pop_all()
    if isinstance(body, Iterator):
        return streamed_response(name, body, content_type, lambda part: bytes_of(name, "yielded", part))
    return InferenceResponse(bytes_of(name, "returned", body), content_type)


def bytes_of(name: str, verb: str, body: Any) -> bytes:
    """Return a body, or a part of one, as bytes."""
    if not isinstance(body, str | bytes | bytearray):
        kinds = "str, bytes or (body, content type)" if verb == "returned" else "str or bytes"
        raise ModelFailed(f"{name} {verb} {type(body).__name__}; expected {kinds}.")
    return body.encode() if isinstance(body, str) else bytes(body)


def refuse_error_status(name: str, response: Any) -> None:
    """Raise what a Flask-like response with an error's status says; it must not become a 200."""
    status = getattr(response, "status_code", 200)
    if status >= 400:
        raise RequestError(response.get_data(as_text=True), status=status, code=f"{name}_refused")


def refuse_content_type(name: str, content_type: Any) -> None:
    """Raise `ModelFailed` for what cannot be the answer's Content-Type."""
    if not isinstance(content_type, str):
        kind = type(content_type).__name__
        raise ModelFailed(f"{name} returned {kind} as the content type; expected str, bytes or (body, content type).")
    if not is_visible(content_type) or len(content_type) > MAX_CONTENT_TYPE:
        raise ModelFailed(
            f"{name} returned a content type that cannot be sent; expected at most {MAX_CONTENT_TYPE} visible "
            "US-ASCII characters."
        )


def parts_in(response: Any) -> Iterator[str | bytes]:
    """Yield the parts of a Flask-like response, and close it at the end."""
    try:
        yield from response.response
    finally:
        if hasattr(response, "close"):
            response.close()


class Parts(Iterator[bytes]):
    """A hook's iterator, as bytes and never empty; to be used in the thread that runs the model."""

    def __init__(self, name: str, source: Iterator[Any], to_bytes: Callable[[Any], bytes]):
        """Read *source*, which the hook *name* returned, as *to_bytes* says."""
        self._name, self._source, self._to_bytes = name, source, to_bytes

    def __next__(self) -> bytes:
        """Return the next part that is not empty: an empty chunk would be the end of an HTTP body."""
        for part in iter(lambda: call_hook(self._name, self._next), None):
            if part:
                return part  # type: ignore[no-any-return]
        raise StopIteration

    def _next(self) -> bytes | None:
        for part in self._source:
            return self._to_bytes(part)
        return None

    def close(self) -> None:
        """Let the hook clean up, as a generator does in its `finally`."""
        if close := getattr(self._source, "close", None):
            call_hook(self._name, close)


def streamed_response(
    name: str, source: Iterator[Any], content_type: str, to_bytes: Callable[[Any], bytes]
) -> InferenceResponse:
    """Return the first part, and the rest on demand; what fails before the first part still has a status of its own."""
    parts = Parts(name, source, to_bytes)
    with ExitStack() as stack:
        stack.callback(parts.close)
        first = next(parts, b"")
        if first:
            stack.pop_all()
    return InferenceResponse(first, content_type, rest=parts if first else None)
