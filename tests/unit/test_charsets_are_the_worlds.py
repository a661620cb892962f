"""The charset parameter: what the world uses is read in time; what only Python knows is refused."""

import contextlib
import random

import pytest

from serving.charsets import CHARSETS, is_charset, text_from
from serving.errors import BadRequest, UnsupportedMediaType

SPELLINGS = ("utf-8", "UTF8", "latin-1", "ISO-8859-15", "windows-1252", "us-ascii", "Shift_JIS", "euc-kr", "GB18030")
NONE = (
    *("punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "rot13", "base64", "hex", "zlib"),
    *("klingon", "", " ", "utf-8\0", "\ufffd", "aliases", "../utf_8", "x" * 10_000),
)


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_charset_is_known_by_all_its_names(name: str) -> None:
    assert text_from("abc".encode(name), name) == "abc"


@pytest.mark.parametrize("name", NONE)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="Unknown charset"):
        text_from(b"abc", name)
    assert not is_charset(name)


@pytest.mark.parametrize("charset", sorted(CHARSETS))
def test_any_bytes_are_a_text_or_the_callers_fault(charset: str) -> None:
    chance = random.Random(charset)
    for body in (chance.randbytes(500), b"\x1b$B" * 99, b"~{" * 99, b"+AGE-" * 99, b"\xff\xfe", b""):
        with contextlib.suppress(BadRequest):
            assert isinstance(text_from(body, charset), str)
