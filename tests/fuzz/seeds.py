"""What the fuzzer begins with: valid bodies and headers of every kind, and the words that each format is made of."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plain_codecs import SCHEMAS
from server import MODELS

SAMPLES = MODELS / "abalone" / "samples"
CSV = (
    "M,0.5,9\n",
    'M,0.5\r\n"F ""x""",\n\n',
    "1.5,2\n-0,nan\n",
    "1e400,0x10,7\n",
    " 1 ,1_0\n",
    "True,1\n",
    "\ufeffİ,1e-3\n",
)
JSON = (
    '{"instances": [["M", 0.5], {"sex": "F", "length": 1e3, "rings": 9}, {"features": ["İ", -7]}]}',
    '{"inputs": [[1.5, null], [NaN, true]]}',
    "[[1.0, 2.0], [3.0, 18446744073709551616]]",
    '[{"a": 1, "b": 2.5}, {"a": "-0", "b": 0.30000000000000004}]',
    '{"features": [1, 2]}',
    '["text", "text"]',
    '{"data": "text \\ud83d\\ude00"}',
    "[1.5, 2]",
)
JSON_LINES = (
    '["M", 0.5]\n{"sex": "F", "length": 0.25}\r\n',
    '{"text": "a"}\n"text"\n',
    "[1.5, 2]\n\n[-0, 1E5]",
    "1\n[2]\n",
)
ARRAYS = (
    np.array([[1.0, 2.0], [3.0, np.nan]]),
    np.array([[1, 2]], ">i4"),
    np.asfortranarray(np.arange(6, dtype="<f4").reshape(3, 2)),
    np.array([("M", 0.5), ("F", 0.25)], [("sex", "<U1"), ("length", "<f8")]),
    np.array([["M", "1"]], "S"),
    np.array(["one", "two"]),
    np.array([True]),
)
CHARSETS = ("utf-8", "latin-1", "utf-16", "cp037", "utf-7", "idna", "unicode_escape", "klingon", "hex", "\\0")
BODIES = {
    "text/csv": "1,2\n",
    "application/json": "[[1, 2]]",
    "application/jsonlines": "[1, 2]\n",
    "text/plain": "text",
}
CONTENT_TYPES = (
    *(f'{name}; charset="{charset}"\n{body}' for name, body in BODIES.items() for charset in CHARSETS),
    "Text/CSV ; a=b; charset*=utf-8''latin-1\n1,2",
    "application/x-ndjson\n[1, 2]",
    "text/json;charset=utf%2d8\n[1]",
    ";;=\n",
    "\n[[1, 2]]",
)
LONG = (
    'application/json\n{"instances": [\x1d[1.5, 2],\x1d[1, 2]]}',
    'application/json\n[{\x1d"sex": 1,\x1d"length": 2}]',
    "application/json\n\x1d[\x1d1",
    "application/json\n[[\x1d9\x1d, 1]]",
    'application/json\n["\x1d\\ud83d\x1d"]',
    'application/jsonlines\n\x1d["M", 0.5]\n\x1d',
    "text/csv\n\x1d1.5,2\n\x1d1_0,2",
    'text/csv\n"\x1d""\x1d",1',
    "text/csv\n1\x1d,\x1d",
    "text/csv; charset=punycode\n\x1da\x1d-b",
    "text/csv; charset=idna\nxn--\x1da.\x1d",
)
ACCEPTS = (
    *("*/*", "text/csv", "application/json;q=0.5, text/csv;q=0.1", "text/*;q=0, application/x-npy", "image/png"),
    *("application/x-ndjson;q=1.0;charset=utf-8", "a/b;q=x", ",;=", "text/csv;q=1e9", '"a/b"', "application/json;q=-1"),
)
HEADS = (
    "Host: model\r\nX-Request-Id: id-1\r\nContent-Length: 4\r\nContent-Type: text/csv",
    "content-length:4\r\naccept:\t*/* ",
    "Content-Length: 04\r\nContent-Encoding: gzip",
    "Host: model\r\nContent-Length: 4\r\nConnection: close\r\nExpect: 100-continue",
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "Content-Length: 4\r\nContent-Length: 4\r\nA_B: 1",
)
TOKENS = {
    "csv": ',|\n|\r\n|\r|"|""|\ufeff|\u2028|\0|nan|NaN|inf|-0|-0.0|1e400|1_0|True|FALSE|None|NA|0x10|1.5| |\t'
    "|9223372036854775808",
    "json": '{|}|[|]|,|:|"|\\u0000|\\ud83d|null|true|false|NaN|-Infinity|-0|1e400|18446744073709551616|"instances"'
    '|"inputs"|"features"|"data"|"text"|"sex"|"length"|"rings"|"a"|"b"|"y"|\ufeff|\n|1.0|0.30000000000000004',
    "npy": "\x93NUMPY|'descr'|'fortran_order'|'shape'|True|False|'<f8'|'>i4'|'<U1'|'|S1'|'|O'|'|V8'|(2,)|(1, 2)|()"
    "|[('a', '<f8')]|(3,)|L|-1|{|}| \n|\x01\0|\x02\0|\x03\0|'<m8[ns]'|'<c16'",
    "content_type": "text/csv|application/json|application/jsonlines|application/x-npy|text/plain|; charset=|charset*="
    "|''|%|\"|\\|;|=|*0|\n|" + "|".join(CHARSETS),
    "accept": ';q=|q=0|*/*|text/*|,|;|=|"|text/csv|application/json|application/x-ndjson|application/x-npy|/|*| ',
    "gzip": "\x1f\x8b\x08|\x1f\x8b\x08\0\0\0\0\0\0\xff|\x03\0\0\0\0\0\0\0\0\0",
    "head": "\r\n|: |:|Content-Length|Transfer-Encoding|chunked|Connection|Expect|Host|_|\t| |\0|\x80|Content-Type"
    "|Upgrade|Trailer|TE|0",
    "arrays": "\0\0\0\0\0\0\xf0\x7f|\0\0\0\0\0\0\xf8\x7f|\0\0\0\0\0\0\0\x80|\xff\xff\xff\xff\xff\xff\xff\xff",
    "errors": "\n|\ufeff|\\ud83d|\0|…",
}
TOKENS["json_lines"] = TOKENS["json"]
TOKENS["planted"] = "word"
TOKENS["long"] = f"\x1d|{TOKENS['content_type']}"


def of_schemas(bodies: tuple[bytes, ...], more: bytes) -> Iterator[bytes]:
    """Yield every body for every schema; *more* are the other choices."""
    for number in range(len(SCHEMAS)):
        yield from (bytes([number]) + more + body for body in bodies)


def samples(*names: str) -> tuple[bytes, ...]:
    """Return samples of the abalone model, each 300 bytes at most."""
    return tuple((SAMPLES / name).read_bytes()[:300] for name in names)


def encoded(texts: tuple[str, ...], charset: str = "utf-8") -> tuple[bytes, ...]:
    """Return the texts as bytes."""
    return tuple(text.encode(charset) for text in texts)


def saved(array: object) -> bytes:
    """Return the array as a `.npy` file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def numbers() -> Iterator[bytes]:
    """Yield arrays of floats, of odd sizes, for every dtype and shape."""
    values = [0.0, -0.0, 1e-5, 9999999999999998.0, 1e16, np.nan, np.inf, 5e-324, 0.1, 1.5, 1e22, 3.0, -2.5, 7.25, 1e300]
    for dtype in range(7):
        yield from (bytes([dtype, shape]) + np.array(values).tobytes() for shape in range(5))


def seeds_of(target: str) -> list[bytes]:
    """Return what the fuzzer begins with."""
    found = {
        "csv": lambda: [
            *of_schemas((*encoded(CSV), *samples("one_row.csv", "three_rows.csv")), b"\0\0"),
            *(bytes([number, 0, 14 + number % 2]) + b"1.5,2\n1_0,3\nx,\n" for number in range(len(SCHEMAS))),
        ],
        "json": lambda: of_schemas((*encoded(JSON), *samples("instances.json")), b"\0"),
        "json_lines": lambda: of_schemas((*encoded(JSON_LINES), *samples("records.jsonl")), b"\0"),
        "npy": lambda: of_schemas(tuple(map(saved, ARRAYS)), b""),
        "content_type": lambda: encoded(CONTENT_TYPES),
        "long": lambda: encoded(LONG),
        "accept": lambda: encoded(ACCEPTS, "latin-1"),
        "gzip": lambda: [gzip.compress(body, mtime=0) * times for body in (b"", b"1,2\n" * 99) for times in (1, 2)],
        "head": lambda: encoded(HEADS, "latin-1"),
        "arrays": numbers,
        "planted": lambda: [b"seed"],
        "errors": lambda: [b"id-1\nThe body is empty.", b"i" * 70 + b"\n" + "…".encode() * 900, b"\n\xff" * 700],
    }
    return list(found[target]())


def tokens_of(target: str) -> str:
    """Return the words of the target's format as a dictionary in libFuzzer's form."""
    charset = "latin-1" if target in ("npy", "gzip", "head", "arrays", "accept") else "utf-8"
    words = [word.encode(charset) for word in TOKENS[target].split("|") if word]
    return "".join(f'"{escaped(word)}"\n' for word in words)


def escaped(word: bytes) -> str:
    """Return every byte as an escape."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def write_seeds(target: str, folder: Path, more: list[bytes]) -> str:
    """Write the seeds and *more* into *folder*; return their names as libFuzzer takes them."""
    paths = []
    for number, data in enumerate([*seeds_of(target), *more]):
        path = folder / f"{number:05}"
        path.write_bytes(data)
        paths.append(str(path))
    return ",".join(paths)
