"""Bodies made to cost more than they are: a 4xx in our form, memory that has a bound, and a worker that lives."""

import gzip
import io
import os
import pickle
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from raw_http import Answer, assert_ours
from server import MODELS
from unbroken import RINGS, ROW, Unbroken

CSV, JSON, LINES, NPY = "text/csv", "application/json", "application/jsonlines", "application/x-npy"
MEGABYTE = 1 << 20
LIMIT = 25 * MEGABYTE
MOST_TIMES = 60  # the memory that a body may take, in its own size; the worst that is known takes 40
MILLION = 10**6

pytestmark = pytest.mark.only("host")  # the same program, and it takes ten seconds


@pytest.fixture(scope="module")
def unbroken(begin) -> Iterator[Unbroken]:
    with closing(begin(MODELS / "abalone", SAGEMAKER_MODEL_SERVER_WORKERS="1")) as server:
        server.wait_until_ready()
        yield Unbroken(server)


@pytest.fixture(scope="module", autouse=True)
def memory_has_a_bound(unbroken) -> Iterator[None]:
    """Asserted of the whole module, for only the most that there ever was is known."""
    before = unbroken.most_memory()
    yield
    assert unbroken.most_memory() - before < MOST_TIMES * LIMIT


def refused(unbroken, body, content_type, status, **headers):
    """Assert that the body gets this status, in our form."""
    answer = unbroken.server.invoke(body, content_type, **headers)
    assert answer.status_code == status, answer.text
    assert_ours(Answer(answer.status_code, answer.headers["Content-Type"], answer.content))
    unbroken.goes_on()


def nested_gzip():
    body = bytes(20 * MEGABYTE)
    for _ in range(3):
        body = gzip.compress(body)
    return body


COMPRESSED = {
    "it inflates beyond the limit": (gzip.compress(bytes(26 * MEGABYTE)), "gzip", 413),
    "it inflates to a gigabyte, in members": (gzip.compress(bytes(16 * MEGABYTE)) * 64, "x-gzip", 413),
    "it is gzip three times over": (nested_gzip(), "gzip", 400),
    "it ends early": (gzip.compress(ROW * 1000)[:-20], "gzip", 400),
    "rubbish follows": (gzip.compress(ROW) + b"rubbish", "gzip", 400),
    "zeros follow": (gzip.compress(ROW) + bytes(9999), "gzip", 400),
    "100,000 members hold nothing": (gzip.compress(b"") * 100_000, "gzip", 400),
    "deflate": (ROW, "deflate", 415),
    "br": (ROW, "br", 415),
    "zstd": (ROW, "zstd", 415),
    "gzip twice": (gzip.compress(gzip.compress(ROW)), "gzip, gzip", 415),
}


@pytest.mark.parametrize(("body", "encoding", "status"), COMPRESSED.values(), ids=COMPRESSED)
def test_a_compressed_body_that_is_none_or_too_much_is_refused(unbroken, body, encoding, status):
    refused(unbroken, body, CSV, status, Content_Encoding=encoding)


def row(cell, separator=b","):
    """A row of the model's eight columns, with something in the second."""
    return separator.join([b'"I"' if separator != b"," else b"I", cell, *[b"1"] * 6])


def json_with(cell):
    return b"[[" + row(cell, b", ") + b"]]"


TEXTS = {
    "lists in lists, 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, JSON, 400),
    "objects in objects, 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON, 400),
    "lists in lists on a line": (b"[" * 100_000 + b"]" * 100_000, LINES, 400),
    "ten million brackets": (b"[" * 10 * MILLION, JSON, 400),
    "three million empty lists": (b"[" + b",".join([b"[]"] * 3 * MILLION) + b"]", JSON, 400),
    "three million empty objects": (b"[" + b",".join([b"{}"] * 3 * MILLION) + b"]", JSON, 400),
    "ten million columns of CSV": (b",".join([b"1"] * 10 * MILLION), CSV, 400),
    "ten million columns of JSON": (b"[" + b",".join([b"1"] * 10 * MILLION) + b"]", JSON, 400),
    "eight million rows of one column": (b"11\n" * 8 * MILLION, CSV, 400),
    "eight million such rows after a good one": (row(b"1") + b"\n" + b"11\n" * 8 * MILLION, CSV, 400),
    "two million rows in quotes": (b'"11"\n' * 2 * MILLION, CSV, 400),
    "25 million empty lines": (b"\n" * 25 * MILLION, CSV, 400),
    "25 million commas": (b"," * 25 * MILLION, CSV, 400),
    "a quote that is never closed": (b'"' + b"x" * 20 * MEGABYTE, CSV, 400),
    "infinity in CSV": (row(b"inf"), CSV, 422),
    "a number beyond all numbers in CSV": (row(b"1e999"), CSV, 422),
    "an integer of 5,000 digits in CSV": (row(b"9" * 5000), CSV, 422),
    "infinity in JSON": (json_with(b"Infinity"), JSON, 422),
    "minus infinity in JSON": (json_with(b"-Infinity"), JSON, 422),
    "a number beyond all numbers in JSON": (json_with(b"1e999"), JSON, 422),
    "an integer of 400 digits in JSON": (json_with(b"9" * 400), JSON, 400),
    "an integer of 5,000 digits in JSON": (json_with(b"9" * 5000), JSON, 400),
    "an integer of 20 million digits": (b"[" + b"9" * 20 * MILLION + b"]", JSON, 400),
    "NUL in a cell": (row(b"\0"), CSV, 400),
    "bytes that are not UTF-8": (b"I,\xff\xfe,1", CSV, 400),
    "half of a character": (b"\xe2\x82", JSON, 400),
    "UTF-16 with its mark, as CSV": (ROW.decode().encode("utf-16"), CSV, 400),
    "UTF-16 with its mark, as JSON": ("[1]".encode("utf-16"), JSON, 400),
    "a charset whose cost is the square": (b"a" * 200_000 + b"-" + b"9" * 200_000, f"{CSV}; charset=punycode", 415),
    "a charset that is a program's": (b"\\N{SNOWMAN}", f"{CSV}; charset=unicode_escape", 415),
    "a charset that nobody has": (ROW, f"{CSV}; charset={'x' * 5000}", 415),
}


@pytest.mark.parametrize(("body", "content_type", "status"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_no_input_is_refused(unbroken, body, content_type, status):
    refused(unbroken, body, content_type, status)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(row(b"nan"), CSV), (row(b""), CSV), (json_with(b"NaN"), JSON), (json_with(b"null"), JSON)],
    ids=["nan", "nothing", "NaN", "null"],
)
def test_a_missing_value_is_one_in_every_spelling(unbroken, body, content_type):
    answer = unbroken.server.invoke(body, content_type, Accept=CSV)
    assert (answer.status_code, float(answer.text)) == (200, pytest.approx(13.68339952706143))


class Abort:
    """What a pickle may do to whoever reads it."""

    def __reduce__(self):
        return (os.abort, ())


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy(shape, dtype="'<f8'", data=bytes(64)):
    """An array whose header says what we want it to say."""
    header = f"{{'descr':{dtype},'fortran_order':False,'shape':{shape}}}".encode()
    return b"\x93NUMPY\x02\0" + len(header).to_bytes(4, "little") + header + data


ARRAYS = {
    "pickled objects": (saved(np.array([Abort()], object)), 400),
    "a pickle": (pickle.dumps(Abort()), 400),
    "an archive of arrays": (b"PK\x03\x04" + bytes(100), 400),
    "1e18 rows": (npy("(1000000000000000000, 8)"), 400),
    "1e18 rows of nothing": (npy("(1000000000000000000, 0)", data=b""), 400),
    "no rows of 1e18 columns": (npy("(0, 1000000000000000000)", data=b""), 400),
    "more rows than 64 bits can count": (npy(f"({'9' * 100}, 8)"), 400),
    "minus one row": (npy("(-1, 8)"), 400),
    "a shape that is to be computed": (npy("9**9**9"), 400),
    "sixty dimensions": (npy(f"({'1,' * 60})", data=bytes(8)), 400),
    "texts of two gigabytes": (npy("(1,)", "'<U536870911'"), 400),
    "texts of nothing": (npy("(1000000000, 8)", "'<U0'"), 400),
    "fields of nothing": (npy("(1000000000,)", "[('sex','<U0'),('b','<U0')]"), 400),
    "code points that Unicode does not have": (npy("(1, 8)", "'<U1'", b"\xff" * 32), 400),
    "complex numbers": (saved(np.ones((1, 8), complex)), 400),
    "dates": (saved(np.zeros((1, 8), "M8[s]")), 400),
    "a type in 200 lists": (npy("(1,)", "[" * 200 + "]" * 200), 400),
    "a header of 10,000 brackets": (npy("(" * 5000 + ")" * 5000), 400),
    "a header of 20 MB": (npy("(1, 8)" + " " * 20 * MILLION), 400),
    "a million fields": (npy("(1,)", "[" + "('a','<f8')," * MILLION + "]"), 400),
    "three million columns": (saved(np.zeros((1, 3 * MILLION))), 400),
    "infinities": (saved(np.full((1, 8), np.inf)), 422),
}


@pytest.mark.parametrize(("body", "status"), ARRAYS.values(), ids=ARRAYS)
def test_an_array_that_is_no_input_is_refused(unbroken, body, status):
    refused(unbroken, body, NPY, status)


def test_a_body_of_the_largest_size_is_still_answered(unbroken):
    body = gzip.compress(ROW * (LIMIT // len(ROW)))
    answer = unbroken.server.invoke(body, CSV, Content_Encoding="gzip", Accept=CSV)
    assert (answer.status_code, answer.text.count("\n")) == (200, LIMIT // len(ROW))
    assert float(answer.text.partition("\n")[0]) == pytest.approx(RINGS)


def test_no_worker_has_died_of_any_of_these(unbroken):
    """The last test of the module."""
    unbroken.goes_on()
    assert not unbroken.server.logged("worker gone")
    assert not unbroken.server.logged("unexpected error")
