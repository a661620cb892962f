"""A loaded model and the functions around it: one request in, one answer out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.decoders import DECODERS, decode, decompress, text_from
from serving.encoders import ENCODERS, encode
from serving.errors import BadRequest, ModelFailed, RequestError, StartError, UnprocessableInput, UnsupportedMediaType
from serving.hooks import PARAMETERS, Hooks
from serving.inference import Context, InferenceRequest, InferenceResponse
from serving.media_types import CSV, JSON, TEXT, MediaType, choose_accept, parse_content_type
from serving.schema import InputSchema

UTF8_TYPES = (CSV, JSON)  # AWS's toolkits hand these to input_fn as text, every other type as bytes
BAD_INPUT = (ValueError, TypeError, KeyError, IndexError)  # what parsing code raises at bytes it cannot read


@dataclass(frozen=True)
class Model:
    """
    A model that can answer.

    Attributes:
        loaded: what `model_fn` or the default loader returned.
        hooks: the user's functions; a default stands in for each that is missing.
        schema: the shape of a request, for the default decoders.
        accept: the answer's media type when the caller accepts anything.
    """

    loaded: Any
    hooks: Hooks
    schema: InputSchema
    accept: str
    model_dir: Path
    max_body_bytes: int | None = None

    def transform(self, request: InferenceRequest) -> InferenceResponse:
        """
        Answer one request: decode, predict, encode.

        Raises:
            RequestError: saying whose fault it is.
        """
        accept = self.negotiate(request)
        content_type = parse_content_type(request.content_type)
        body = decompress(request.body, request.content_encoding, self.max_body_bytes)
        context = Context(str(self.model_dir), request)
        if self.hooks.transform_fn:
            result = self.call(
                "transform_fn", self.loaded, hook_input(body, content_type), content_type.sent, accept, context
            )
            return response_from("transform_fn", result, accept)
        data = self.decode(body, content_type, context)
        return self.encode(self.predict(data, context), accept, context)

    def negotiate(self, request: InferenceRequest) -> str:
        """Return the media type of the answer, before any work is done; hooks that write it accept any."""
        own_output = self.hooks.output_fn or self.hooks.transform_fn
        return choose_accept(request.accept, () if own_output else tuple(ENCODERS), self.accept)

    def decode(self, body: bytes, content_type: MediaType, context: Context) -> Any:
        """Return the model's input, from `input_fn` or the default decoders."""
        if self.hooks.input_fn:
            return self.call("input_fn", hook_input(body, content_type), content_type.sent, context)
        readable = [name for name in DECODERS if name != TEXT or self.schema.kind == "text"]
        if content_type.name not in readable:
            raise UnsupportedMediaType(
                f"Content-Type {content_type.name!r:.100} is not supported; send {', '.join(readable)}."
            )
        try:
            return self.schema.assemble(decode(body, content_type))
        except BadRequest as error:
            if context.request.content_type:
                raise
            raise BadRequest(f"{error.message} (No Content-Type was sent, so the body was read as JSON.)") from None

    def predict(self, data: Any, context: Context) -> Any:
        """Return the prediction for *data*, from `predict_fn` or the model's own method."""
        if self.hooks.predict_fn:
            return self.call("predict_fn", data, self.loaded, context)
        try:
            return default_predict(self.loaded)(data)
        except ValueError as error:  # how scikit-learn and XGBoost refuse what they were given
            raise UnprocessableInput(
                "The model refused this input; the log has the reason under this request id."
            ) from error
        except (Exception, SystemExit) as error:
            raise ModelFailed(f"The model failed ({type(error).__name__}); the log has the details.") from error

    def encode(self, prediction: Any, accept: str, context: Context) -> InferenceResponse:
        """Return the answer, from `output_fn` or the default encoders."""
        if self.hooks.output_fn:
            return response_from("output_fn", self.call("output_fn", prediction, accept, context), accept)
        return InferenceResponse(encode(prediction, accept), accept)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a hook; what it raises becomes a `RequestError` that tells the caller no more than it should."""
        try:
            return getattr(self.hooks, name)(*arguments)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
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


def hook_input(body: bytes, content_type: MediaType) -> str | bytes:
    """Return the body as `input_fn` and `transform_fn` expect it: text for CSV and JSON, else bytes."""
    return text_from(body, content_type.charset) if content_type.name in UTF8_TYPES else body


def response_from(name: str, result: Any, accept: str) -> InferenceResponse:
    """Return what an output hook gave: a body, `(body, content type)`, or a Flask-like response."""
    if hasattr(result, "get_data") and hasattr(result, "content_type"):
        refuse_error_status(name, result)
        result = result.get_data(), result.content_type
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, accept)
    if isinstance(body, str):
        body = body.encode()
    for part, kinds in ((body, bytes | bytearray), (content_type, str)):
        if not isinstance(part, kinds):
            raise ModelFailed(f"{name} returned {type(part).__name__}; expected str, bytes or (body, content type).")
    return InferenceResponse(bytes(body), content_type)


def refuse_error_status(name: str, response: Any) -> None:
    """Raise what a Flask-like response with an error's status says; it must not become a 200."""
    status = getattr(response, "status_code", 200)
    if status >= 400:
        raise RequestError(response.get_data(as_text=True), status=status, code=f"{name}_refused")


def default_predict(loaded: Any) -> Callable[[Any], Any]:
    """Return the method that predicts: XGBoost's for arrays, else `predict`, else `transform`."""
    for method in ("inplace_predict", "predict", "transform"):
        if callable(found := getattr(loaded, method, None)):
            return found  # type: ignore[no-any-return]
    raise StartError(
        f"The model is of type {type(loaded).__name__}, without a predict or a transform method. "
        f"Define predict_fn({', '.join(PARAMETERS['predict_fn'])}) in code/inference.py."
    )
