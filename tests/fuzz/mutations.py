"""Requests as bytes: valid ones of every media type, and what chance makes of them."""

import gzip
import random
from collections.abc import Sequence

from fuzz.seeds import TOKENS
from mixed_requests import mixed_request

POOL = 2000  # valid requests that the others are made of
AS_THEY_ARE = 0.2  # of the bodies
WORDS = sorted({word.encode() for text in TOKENS.values() for word in text.split("|")} | {b"\0", b"\xff"})
CONTENT_TYPES = (
    *(
        "text/csv",
        "application/json",
        "application/jsonlines",
        "application/x-ndjson",
        "application/x-npy",
        "text/plain",
    ),
    *("text/csv; charset=latin-1", "text/csv; charset=utf-16", "application/json; charset=klingon", "image/png", ""),
    *(
        "TEXT/CSV;a=b",
        "multipart/form-data; boundary=x",
        "application/json; charset*=utf-8''utf-8",
        "text/csv; charset=idna",
    ),
)
ACCEPTS = (
    *("*/*", "text/csv", "application/json", "application/jsonlines", "application/x-npy", "text/json", "image/png"),
    *("text/*;q=0.5, application/json;q=0.1", "text/csv;q=0", "*/*;q=x", ",", "a/b;q=1e9"),
)
ENCODINGS = ("gzip", "x-gzip", "identity", "br", "gzip, gzip", "GZIP")


class Mutator:
    """Makes requests, the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._valid = [mixed_request(self._chance) for _ in range(POOL)]

    def request(self) -> bytes:
        """Return a whole request: mostly a valid body that is damaged, and headers that may be."""
        chance = self._chance
        valid = chance.choice(self._valid)
        body = valid.body if chance.random() < AS_THEY_ARE else self.damaged(valid.body)
        encoding = valid.content_encoding
        if chance.random() < 0.05:
            body, encoding = gzip.compress(body, 1, mtime=0), "gzip"
            body = self.damaged(body) if chance.random() < 0.5 else body
        headers = [
            ("Content-Type", self.header(valid.content_type, CONTENT_TYPES)),
            ("Accept", self.header(valid.accept, ACCEPTS)),
            ("Content-Encoding", self.header(encoding or None, ENCODINGS, odd=0.03)),
        ]
        return head_of(headers, len(body)) + body

    def header(self, value: str | None, others: Sequence[str], odd: float = 0.1) -> bytes | None:
        """Return the value as it is, another one, or one that is damaged; None for no header at all."""
        if self._chance.random() < odd:
            value = self._chance.choice(others)
        if value is None or self._chance.random() > odd / 2:
            return None if value is None else value.encode("latin-1")
        damaged = self.damaged(value.encode("latin-1")) * self._chance.choice((1, 1, 1, 30))
        return bytes(byte for byte in damaged if byte not in b"\r\n\0")[:2000]  # these would end it: no header any more

    def damaged(self, data: bytes) -> bytes:
        """Return *data* after one to four accidents."""
        found = bytearray(data)
        for _ in range(self._chance.randint(1, 4)):
            self.damage(found)
        return bytes(found)

    def damage(self, data: bytearray) -> None:
        """Flip a bit, cut something out or off, double it, or put in a word or a part of another body."""
        chance = self._chance
        start = chance.randrange(len(data) + 1)
        end = start + chance.choice((0, 1, 1, 2, 8, 50))
        kind = chance.randrange(6)
        if kind == 0 and start < len(data):
            data[start] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:end] = data[start:end] * chance.choice((2, 2, 40))
        elif kind == 3:
            data[start:end] = chance.choice(WORDS)
        elif kind == 4:
            other = chance.choice(self._valid).body
            place = chance.randrange(len(other) + 1)
            data[start:] = other[place : place + 2000]
        elif chance.random() < 0.2:
            del data[start:]


def head_of(headers: Sequence[tuple[str, bytes | None]], length: int) -> bytes:
    """Return the head of an invocation."""
    lines = [f"{name}: ".encode() + value for name, value in headers if value is not None]
    first = b"POST /invocations HTTP/1.1\r\nHost: model"
    return b"\r\n".join([first, *lines, f"Content-Length: {length}".encode(), b"", b""])
