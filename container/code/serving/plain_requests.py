"""
The head of a plain `POST /invocations`, such as nginx sends: read here, at a tenth of what a general parser costs.

What is not plain, in any way, is for gunicorn's parser to read or to refuse; nothing is guessed here.
"""

import re
from typing import NamedTuple

END_OF_HEAD = b"\r\n\r\n"
NAME = r"[!#$%&'*+.^`|~0-9A-Za-z-]+"  # without the underscore, which means a hyphen to WSGI
VALUE = r"[^\x00-\x08\x0a-\x1f\x7f]*"  # what a field's value may have, tabs among it: RFC 9110, section 5.5
FIRST_LINE = "POST /invocations HTTP/1.1\r\n"
HEAD = re.compile(rf"{re.escape(FIRST_LINE)}(?:{NAME}:{VALUE}\r\n)+\r\n")
HEADER = re.compile(rf"({NAME}):([^\r\n]*)\r\n")
MOST_DIGITS = 15  # of a length; Python itself refuses to read thousands of them
# These change how the body is sent, or what the connection is for.
NOT_PLAIN = frozenset({"connection", "expect", "te", "trailer", "transfer-encoding", "upgrade"})


class PlainHead(NamedTuple):
    """The headers, their names in lower case, and the length of the body in bytes."""

    headers: dict[str, str]
    length: int


def read_plain_head(head: bytes, max_body_bytes: int | None) -> PlainHead | None:
    """Return what *head*, with the empty line at its end, says; None when it is not plain or the body is too large."""
    text = head.decode("latin-1")
    if not HEAD.fullmatch(text):
        return None
    found = HEADER.findall(text, len(FIRST_LINE))
    headers = {name.lower(): value.strip(" \t") for name, value in found}
    length = headers.get("content-length", "")
    if len(headers) < len(found) or not NOT_PLAIN.isdisjoint(headers) or headers.get("content-type") == "":
        return None
    if not (length.isascii() and length.isdecimal() and len(length) <= MOST_DIGITS):
        return None
    if max_body_bytes is not None and int(length) > max_body_bytes:
        return None
    return PlainHead(headers, int(length))
