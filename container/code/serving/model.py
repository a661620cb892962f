"""A loaded model and the functions around it: one request in, one answer out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from serving.answers import call_hook, response_from, streamed_response
from serving.charsets import text_from
from serving.decoders import DECODERS, decode, decompress
from serving.encoders import LINE_TYPES, encode, encode_record
from serving.errors import BadRequest, ModelFailed, StartError, UnprocessableInput, UnsupportedMediaType
from serving.hooks import PARAMETERS, Hooks
from serving.inference import Context, InferenceRequest, InferenceResponse
from serving.media_types import ALIASES, CSV, JSON, JSON_LINES, TEXT, MediaType, choose_accept, parse_content_type
from serving.schema import InputSchema

UTF8_TYPES = (CSV, JSON)  # AWS's toolkits hand these to input_fn as text, every other type as bytes


class Begun(NamedTuple):
    """
    A request that was read, and whose answer is still to be computed.

    Attributes:
        accept: the answer's media type.
        decoded: what `input_fn` returned, or the decoders' rows.
    """

    context: Context
    accept: str
    decoded: Any


@dataclass(frozen=True)
class Model:
    """
    A model that can answer.

    Attributes:
        loaded: what `model_fn` or the default loader returned.
        hooks: the user's functions; a default stands in for each that is missing.
        schema: the shape of a request, for the default decoders.
        accept: the answer's media type when the caller accepts anything.
        execution_parameters: what the user's hook tells batch transform, None for the server's own.
        batching: whether the manifest wants requests answered together, None where it does not say.
    """

    loaded: Any
    hooks: Hooks
    schema: InputSchema
    accept: str
    model_dir: Path
    max_body_bytes: int | None = None
    execution_parameters: Mapping[str, Any] | None = None
    batching: bool | None = None

    def transform(self, request: InferenceRequest) -> InferenceResponse:
        """
        Answer one request: decode, predict, encode. A streamed answer has its first part.

        Raises:
            RequestError: saying whose fault it is.
        """
        if self.hooks.transform_fn:
            return self.transform_whole(request)
        begun = self.begin(request)
        return self.finish(begun, self.predict(self.assemble(begun), begun.context))

    @property
    def one_at_a_time(self) -> str | None:
        """Return why requests cannot be answered together, None if they may."""
        if self.hooks.transform_fn:
            return "transform_fn answers one request at a time"
        if "predict_fn" in self.hooks.looks_at_requests:
            return "predict_fn takes the request's context"
        if not self.hooks.input_fn and self.schema.types_are_guessed:
            return "column types are guessed from each request's values; list them in the manifest's input"
        return None

    def transform_whole(self, request: InferenceRequest) -> InferenceResponse:
        """Answer one request with the user's `transform_fn`."""
        context = Context(str(self.model_dir), request)
        accept, content_type, body = self.read(request)
        arguments = (self.loaded, hook_input(body, content_type), content_type.sent, accept, context)
        return sealed(response_from("transform_fn", self.call("transform_fn", *arguments), accept), context)

    def read(self, request: InferenceRequest) -> tuple[str, MediaType, bytes]:
        """Return what the answer's media type is, what the body's is, and the body without its encoding."""
        accept = self.negotiate(request)
        content_type = parse_content_type(request.content_type)
        return accept, content_type, decompress(request.body, request.content_encoding, self.max_body_bytes)

    def begin(self, request: InferenceRequest) -> Begun:
        """Read one request, as far as that can be done apart from others."""
        context = Context(str(self.model_dir), request)
        accept, content_type, body = self.read(request)
        return Begun(context, accept, self.decode(body, content_type, context))

    def assemble(self, begun: Begun) -> Any:
        """Return the model's input."""
        if self.hooks.input_fn:
            return begun.decoded
        try:
            return self.schema.assemble(begun.decoded)
        except BadRequest as error:
            raise explained(error, begun.context) from None

    def finish(self, begun: Begun, prediction: Any) -> InferenceResponse:
        """Return the answer; its headers cannot be changed any more."""
        rows = None if self.hooks.input_fn else len(begun.decoded)
        return sealed(self.encode(prediction, begun.accept, begun.context, rows), begun.context)

    def negotiate(self, request: InferenceRequest) -> str:
        """Return the media type of the answer, before any work is done; hooks that write it accept any."""
        own_output = self.hooks.output_fn or self.hooks.transform_fn
        return choose_accept(request.accept, () if own_output else self.hooks.answers, self.accept)

    def decode(self, body: bytes, content_type: MediaType, context: Context) -> Any:
        """Return what `input_fn` made of the body, or the rows that the default decoders found in it."""
        if self.hooks.input_fn:
            return self.call("input_fn", hook_input(body, content_type), content_type.sent, context)
        readable = [name for name in DECODERS if name != TEXT or self.schema.kind == "text"]
        if content_type.name not in readable:
            raise UnsupportedMediaType(
                f"Content-Type {content_type.name!r:.100} is not supported; send {', '.join(readable)}."
            )
        try:
            return decode(body, content_type)
        except BadRequest as error:
            raise explained(error, context) from None

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
        except BaseException as error:  # as in a hook
            raise ModelFailed(f"The model failed ({type(error).__name__}); the log has the details.") from error

    def encode(self, prediction: Any, accept: str, context: Context, rows: int | None = None) -> InferenceResponse:
        """Return the answer to *rows* rows, where that number is known, from `output_fn` or the default encoders."""
        if self.hooks.output_fn:
            return response_from("output_fn", self.call("output_fn", prediction, accept, context), accept)
        if isinstance(prediction, Iterator):
            return self.stream(prediction, context)
        return InferenceResponse(encode(prediction, accept, rows), accept)

    def stream(self, predictions: Iterator[Any], context: Context) -> InferenceResponse:
        """Return an answer in parts, a record each: in JSON Lines, also for who asked for JSON, or in CSV."""
        default = self.accept if ALIASES.get(self.accept, self.accept) in LINE_TYPES else JSON_LINES
        accept = choose_accept(context.request.accept, (*LINE_TYPES, JSON), default)
        media_type = JSON_LINES if ALIASES.get(accept, accept) == JSON else accept
        name = self.hooks.called.get("predict_fn", "predict_fn") if self.hooks.predict_fn else "predict"
        return streamed_response(name, predictions, media_type, lambda record: encode_record(record, media_type))

    def call(self, name: str, *arguments: Any) -> Any:
        """Call the hook *name*; raise `RequestError` for what it raises."""
        return call_hook(self.hooks.called.get(name, name), getattr(self.hooks, name), *arguments)


def sealed(answer: InferenceResponse, context: Context) -> InferenceResponse:
    """Return the answer with the headers that the hooks have set, and let none be set any more."""
    context.response_headers.seal("the answer has begun. Set headers before its first part.")
    return InferenceResponse(answer.body, answer.content_type, context.get_response_headers(), answer.rest)


def explained(error: BadRequest, context: Context) -> BadRequest:
    """Return the error with what the caller may not know: how a body is read that nothing is said of."""
    if context.request.content_type:
        return error
    return BadRequest(f"{error.message} (No Content-Type was sent, so the body was read as JSON.)")


def hook_input(body: bytes, content_type: MediaType) -> str | bytes:
    """Return the body as `input_fn` and `transform_fn` expect it: text for CSV and JSON, else bytes."""
    return text_from(body, content_type.charset) if content_type.name in UTF8_TYPES else body


def default_predict(loaded: Any) -> Callable[[Any], Any]:
    """Return the method that predicts: XGBoost's for arrays, else `predict`, else `transform`."""
    for method in ("inplace_predict", "predict", "transform"):
        if callable(found := getattr(loaded, method, None)):
            return found  # type: ignore[no-any-return]
    raise StartError(
        f"The model is of type {type(loaded).__name__}, without a predict or a transform method. "
        f"Define predict_fn({', '.join(PARAMETERS['predict_fn'])}) in code/inference.py."
    )
