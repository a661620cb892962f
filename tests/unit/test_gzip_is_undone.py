"""Content-Encoding: gzip is inflated, and never past the limit."""

import gzip
import time
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from builders import MATRIX, ask
from serving.decoders import decompress
from serving.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from serving.hooks import Hooks
from serving.model import Model

BODY = b"1,2\n3,4\n"


class Same:
    """A model that answers with its input."""

    def predict(self, rows: Any) -> Any:
        """Return *rows*."""
        return rows


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_body_without_encoding_is_left_alone(encoding: str) -> None:
    assert decompress(BODY, encoding, 1) == BODY


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
@pytest.mark.parametrize("limit", [None, len(BODY), 1000])
def test_gzip_is_inflated(encoding: str, limit: int | None) -> None:
    assert decompress(gzip.compress(BODY), encoding, limit) == BODY


def test_a_compressed_request_gets_its_answer() -> None:
    model = Model(Same(), Hooks(), MATRIX, "text/csv", Path("/model"), max_body_bytes=1000)
    answer = ask(model, gzip.compress(BODY), "text/csv", content_encoding="gzip")
    assert answer.body == b"1.0,2.0\n3.0,4.0\n"


def test_members_follow_one_another() -> None:
    assert decompress(gzip.compress(BODY) + gzip.compress(b"5,6\n"), "gzip", 1000) == BODY + b"5,6\n"


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(BODY)[:-1],
        gzip.compress(BODY)[:-8],
        gzip.compress(BODY)[:5],
        gzip.compress(BODY) + gzip.compress(BODY)[:-1],
        gzip.compress(BODY) + b"more",
        gzip.compress(BODY)[:-8] + bytes(8),
        BODY,
        zlib.compress(BODY),
    ],
    ids=[
        "last byte",
        "trailer",
        "header",
        "second member",
        "garbage behind",
        "wrong checksum",
        "not compressed",
        "zlib",
    ],
)
def test_a_damaged_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^The body is not gzip: ") as caught:
        decompress(body, "gzip", 1000)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [gzip.compress(bytes(1_000_001)), gzip.compress(bytes(999_999)) + gzip.compress(bytes(2))],
    ids=["one member", "two members"],
)
def test_more_than_the_limit_is_413(body: bytes) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        decompress(body, "gzip", 1_000_000)
    assert caught.value.status == 413
    assert caught.value.message == "The body inflates to more than 1000000 bytes."


def test_exactly_the_limit_passes() -> None:
    assert len(decompress(gzip.compress(bytes(1_000_000)), "gzip", 1_000_000)) == 1_000_000


def test_a_bomb_is_never_inflated() -> None:
    bomb = gzip.compress(bytes(100_000_000), compresslevel=1)
    tracemalloc.start()
    with pytest.raises(PayloadTooLarge):
        decompress(bomb, "gzip", 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_very_many_members_take_no_more_time_than_their_bytes() -> None:
    """Copying the rest of the body for each member would take minutes for 25 MB of empty ones."""
    body = gzip.compress(b"", mtime=0) * 200_000
    began = time.process_time()
    with suppress(BadRequest):  # to refuse so many is as good
        decompress(body, "gzip", 1_000_000)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
def test_any_other_encoding_is_415(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        decompress(BODY, encoding, None)
    assert caught.value.status == 415
    assert caught.value.message == f"Content-Encoding {encoding!r} is not supported; send gzip or none."
