"""Request bodies of the media types that need no code, as rows."""

import csv
import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from serving.charsets import text_from
from serving.csv_text import simple_csv
from serving.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from serving.json_values import parse_json, read_json, read_json_lines, rows_in_json, rows_in_lines
from serving.media_types import CSV, JSON, JSON_LINES, NPY, TEXT, MediaType
from serving.schema import Rows

GZIP = 16 + zlib.MAX_WBITS  # tells zlib to expect gzip's header
GZIP_STEP = 4096  # what follows a member is copied, so it must not be the rest of the body

# One cell may be as long as the largest body: a text column has no other limit.
csv.field_size_limit(2**31 - 1)


def decompress(body: bytes, encoding: str, limit: int | None) -> bytes:
    """Undo the Content-Encoding; never inflate past *limit* bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType(f"Content-Encoding {encoding!r:.50} is not supported; send gzip or none.")
    try:
        return inflate(body, limit)
    except zlib.error as error:
        raise BadRequest(f"The body is not gzip: {error}.") from None


def inflate(body: bytes, limit: int | None) -> bytes:
    """Return the members of a gzip file, one after the other."""
    parts, total, member = [], 0, zlib.decompressobj(GZIP)
    for start in range(0, len(body), GZIP_STEP):
        step = body[start : start + GZIP_STEP]
        while step:
            member = zlib.decompressobj(GZIP) if member.eof else member
            part = member.decompress(step, 0 if limit is None else limit - total + 1)
            total += len(part)
            if limit is not None and total > limit:
                raise PayloadTooLarge(f"The body inflates to more than {limit} bytes.")
            parts.append(part)
            step = member.unused_data
    if not member.eof:
        raise BadRequest("The body is not gzip: it ends early.")
    return b"".join(parts)


def decode(body: bytes, media_type: MediaType) -> Rows:
    """
    Return the rows of *body*, of a type among `DECODERS`: lists of cells, records, or texts.

    Raises:
        BadRequest: saying what cannot be read, and where.
    """
    if not body:
        raise BadRequest("The body is empty.")
    return DECODERS[media_type.name](body, media_type.charset)


def decode_csv(body: bytes, charset: str) -> Rows:
    """Read comma-separated rows without a header line; empty lines are no rows."""
    text = text_from(body, charset)
    return simple_csv(text) or csv_rows(text)


def csv_rows(text: str) -> list[list[str]]:
    """Return the rows' cells; empty lines are no rows."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error}.") from None


def decode_json(body: bytes, charset: str) -> Rows:
    """Read `{"instances": rows}`, `{"inputs": rows}`, a list of rows, or one row."""
    try:
        content = read_json(body, charset)
    except ValueError:
        content = parse_json(text_from(body, charset), "The body")
    return rows_in_json(content)


def decode_json_lines(body: bytes, charset: str) -> Rows:
    """Read one JSON value, a row, on each line that is not empty."""
    try:
        return read_json_lines(body, charset)
    except ValueError:
        return rows_in_lines(text_from(body, charset))


def decode_npy(body: bytes, charset: str) -> Rows:
    """Read an array saved by `numpy.save`; it is never unpickled."""
    del charset
    try:
        return rows_in(array_from(body))
    except (UnicodeDecodeError, SystemError):  # SystemError: a code point that Unicode does not have
        raise BadRequest("The array holds text that is neither Unicode nor UTF-8.") from None


def rows_in(array: NDArray[Any]) -> Rows:
    """Return records from a structured array, lists from one of strings, and numbers as they are."""
    if array.dtype.names:
        if any(array.dtype[name].shape for name in array.dtype.names):
            raise BadRequest("A field of the array holds arrays; send one value for each row and column.")
        columns = {name: plain(array[name].ravel()).tolist() for name in array.dtype.names}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if array.ndim > 2:
        raise BadRequest(f"The array has {array.ndim} dimensions; send (rows, columns).")
    if array.ndim == 2 and len(array) and not array.shape[1]:  # a header of a hundred bytes may promise any number
        raise BadRequest("The array has rows without columns; send (rows, columns).")
    array = plain(array)
    if array.dtype.kind == "U":
        return array.reshape(-1, 1).tolist() if array.ndim < 2 else array.tolist()
    return np.atleast_2d(array)


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of numbers as it is, and one of strings or of UTF-8 as strings."""
    if array.dtype.kind not in "biufSU":
        raise BadRequest(f"The array holds {array.dtype}; send numbers or strings.")
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def array_from(body: bytes) -> NDArray[Any]:
    """Return the array in *body*, checked against its length first: the header may promise terabytes."""
    stream = io.BytesIO(body)
    try:
        read_header = NPY_HEADERS[npy_format.read_magic(stream)]
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise ValueError("it holds pickled Python objects, which are never read")
        if dtype.subdtype:  # as in 4f8: NumPy would count the elements of each place as places
            raise ValueError(f"each of its places holds an array, {dtype}")
        if any(length < 0 for length in shape):  # which NumPy would take for "as many as there are"
            raise ValueError(f"its shape is {shape}")
        array = np.frombuffer(body, dtype, offset=stream.tell())
        return array.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # NumPy parses the header as Python, and a damaged one raises almost anything
        raise BadRequest(f"The body is not a NumPy array: {error!s:.300}.") from None


def decode_text(body: bytes, charset: str) -> Rows:
    """Read the whole body as one text."""
    return [text_from(body, charset).rstrip("\r\n")]


def read_array_header_3_0(stream: io.BytesIO) -> Any:
    """Read a header in UTF-8, which field names in other alphabets need, as one in ASCII with escapes."""
    length = int.from_bytes(stream.read(4), "little")
    header = stream.read(length).decode().encode("ascii", "backslashreplace")
    return npy_format.read_array_header_2_0(io.BytesIO(len(header).to_bytes(4, "little") + header))


NPY_HEADERS: dict[tuple[int, int], Callable[[io.BytesIO], Any]] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
    (3, 0): read_array_header_3_0,
}
DECODERS: dict[str, Callable[[bytes, str], Rows]] = {
    CSV: decode_csv,
    JSON: decode_json,
    JSON_LINES: decode_json_lines,
    NPY: decode_npy,
    TEXT: decode_text,
}
