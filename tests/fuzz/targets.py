"""The targets: what is done with an input, and what has to come of it. A check raises when a promise is broken."""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from fuzz.promises import BrokenPromise, value_or_refusal
from plain_codecs import SCHEMAS, assert_read_alike, plain_body
from serving.answers import refuse_content_type
from serving.csv_text import MANY_ROWS
from serving.decoders import DECODERS, array_from, decode, decompress
from serving.encoders import ENCODERS, encode
from serving.errors import error_body
from serving.media_types import ALIASES, CSV, JSON, JSON_LINES, NPY, MediaType, choose_accept, parse_content_type
from serving.plain_requests import FIRST_LINE, read_plain_head

CHARSETS = ("utf-8", "UTF-8", "latin-1", "utf-16", "ascii")
FORMS = ("as it is", "the first line a thousand times, before the others", "after them")
INFLATED = 1 << 20  # bytes, the limit of a gzip body here
LONG = 1 << 20  # bytes of a long body
AGAIN = b"\x1d"  # stands around what is repeated in one
DTYPES = ("<f8", "<f4", ">f8", "<i8", "i1", "<u8", "<f2")
SHAPES = ((-1,), (-1, 1), (-1, 2), (1, -1), (-1, 5))

Choice = TypeVar("Choice")
choose = getattr(choose_accept, "__wrapped__")  # noqa: B009  # without its cache, which tells nothing of coverage
read_content_type = getattr(parse_content_type, "__wrapped__")  # noqa: B009


def chosen(data: bytes, choices: Sequence[Choice]) -> tuple[Choice, bytes]:
    """Return one of *choices*, by the first byte of *data*, and the other bytes."""
    return choices[(data[0] if data else 0) % len(choices)], data[1:]


def check_csv(data: bytes) -> None:
    """A schema, a charset and a form, by a byte each; then the body. Few rows and many are read in different ways."""
    schema, data = chosen(data, [*SCHEMAS.values()])
    charset, data = chosen(data, CHARSETS)
    form, body = chosen(data, (*FORMS[:1] * 14, *FORMS[1:]))  # many rows take long: one in eight
    if form != FORMS[0]:
        first, _, rest = body.partition(b"\n")
        many = (first + b"\n") * MANY_ROWS
        body = many + rest if form == FORMS[1] else rest + b"\n" + many
    assert_read_alike(body, f"{CSV}; charset={charset}", schema)


def check_json(data: bytes, name: str = JSON) -> None:
    """A schema and a charset, by a byte each; then the body."""
    schema, data = chosen(data, [*SCHEMAS.values()])
    charset, body = chosen(data, CHARSETS)
    assert_read_alike(body, f"{name}; charset={charset}", schema)


def check_json_lines(data: bytes) -> None:
    """As JSON, a value on each line."""
    check_json(data, JSON_LINES)


def check_npy(data: bytes) -> None:
    """A schema, by a byte; then the body. What is read, NumPy reads too."""
    schema, body = chosen(data, [*SCHEMAS.values()])
    value_or_refusal(lambda: schema.assemble(decode(body, MediaType(NPY, "utf-8", NPY))))
    found = value_or_refusal(lambda: array_from(body))
    if found is not None:
        expected = np.load(io.BytesIO(body), allow_pickle=False)
        if (found.dtype, found.shape, found.tobytes()) != (expected.dtype, expected.shape, expected.tobytes()):
            raise BrokenPromise("numpy.load reads another array")


def check_content_type(data: bytes) -> None:
    """A Content-Type header; then, after a line feed, a body, which is read as that type and charset."""
    header, _, body = data.partition(b"\n")
    found = read_content_type(header.decode("latin-1"))
    if found.name in DECODERS:
        for schema in (SCHEMAS["table"], SCHEMAS["matrix"], SCHEMAS["text"]):
            value_or_refusal(lambda schema=schema: schema.assemble(decode(body, found)))


def check_long(data: bytes) -> None:
    """As a content type with its body, of which a part is repeated until there is a megabyte: it takes as long."""
    header, _, body = data.partition(b"\n")
    parts = body.split(AGAIN, 2)
    before, part, after = parts if len(parts) == 3 else (b"", body, b"")
    check_content_type(header + b"\n" + before + part * (LONG // max(1, len(part))) + after)


def check_accept(data: bytes) -> None:
    """An Accept header. A type on offer is answered, and where a hook answers in any type, one that can be sent."""
    header, offered = data.decode("latin-1"), tuple(ENCODERS)
    answer = value_or_refusal(lambda: choose(header, offered, CSV))
    if answer is not None and ALIASES.get(answer, answer) not in offered:
        raise BrokenPromise(f"{answer!r} is not on offer")
    own = value_or_refusal(lambda: choose(header, (), CSV))
    if own is not None:
        value_or_refusal(lambda: refuse_content_type("output_fn", own))


def check_gzip(data: bytes) -> None:
    """A gzip file: what comes out of it is what Python's own reader finds, if it is no more than the limit."""
    found = value_or_refusal(lambda: decompress(data, "gzip", INFLATED))
    if found is None:
        return
    try:
        expected = gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise BrokenPromise(f"Python refuses it: {error}") from error
    if found != expected:
        raise BrokenPromise("Python inflates it to something else")


def check_head(data: bytes) -> None:
    """The headers of an invocation: a head that is plain says to us what it says to gunicorn's parser."""
    head = FIRST_LINE.encode() + data + b"\r\n\r\n"
    plain = read_plain_head(head, None)
    if plain is None:
        return
    request = next(RequestParser(gunicorn_config(), iter([head]), ("127.0.0.1", 1)))
    if (request.method, request.path, request.query, request.version) != ("POST", "/invocations", "", (1, 1)):
        raise BrokenPromise(f"gunicorn reads {request.method} {request.uri}")
    if [(name.lower(), value) for name, value in request.headers] != list(plain.headers.items()):
        raise BrokenPromise(f"gunicorn reads {request.headers}, and we {plain.headers}")
    if request.body.reader.length != plain.length or request.should_close():
        raise BrokenPromise(f"gunicorn reads a body of {request.body.reader.length} bytes, and we {plain.length}")


def gunicorn_config() -> Config:
    """Return gunicorn's settings as far as they decide how a head is read: see gunicorn.conf.py."""
    config = Config()
    for name, value in {"limit_request_fields": 32768, "limit_request_field_size": 131072}.items():
        config.set(name, value)
    return config


def check_arrays(data: bytes) -> None:
    """A dtype and a shape, by a byte each; then the numbers. They are written as the plain encoders write them."""
    dtype, data = chosen(data, DTYPES)
    shape, data = chosen(data, SHAPES)
    rows = data[: len(data) // 80 * 80]  # so many that every shape can be made of them
    if not rows:
        return
    numbers = np.frombuffer(rows, dtype).reshape(shape)
    with np.errstate(all="ignore"):
        for media_type in (JSON, JSON_LINES, CSV):
            written, plain = encode(numbers, media_type), plain_body(numbers, media_type)
            if media_type == CSV and written != plain:
                raise BrokenPromise(f"{media_type}: {written!r}, and plain {plain!r}")
            if media_type != CSV and values_in(written) != values_in(plain):
                raise BrokenPromise(f"{media_type}: {written!r}, and plain {plain!r}")


def values_in(body: bytes) -> list[Any]:
    """Return the values of JSON Lines so that 0.0 and -0.0, 1 and 1.0 differ."""
    return [repr(json.loads(line)) for line in body.splitlines()]


def check_errors(data: bytes) -> None:
    """A request id, a line feed and a message, in half of the surrogates that UTF-8 has no bytes for, too."""
    request_id, _, message = data.decode("utf-8", "surrogateescape").partition("\n")
    body = error_body("bad_request", message, request_id)
    if len(body) > 1024 or list(values_in(body)) == []:
        raise BrokenPromise(f"an error of {len(body)} bytes")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "csv": check_csv,
    "json": check_json,
    "json_lines": check_json_lines,
    "npy": check_npy,
    "content_type": check_content_type,
    "long": check_long,
    "accept": check_accept,
    "gzip": check_gzip,
    "head": check_head,
    "arrays": check_arrays,
    "errors": check_errors,
}
