"""Bodies that no model can answer, in the sample's own media type."""

import requests

from contract.running import ask
from contract.samples import Sample
from server import Server

SYNTAX = ("application/json", "application/jsonlines", "text/csv", "application/x-npy", "application/x-npz")
NOT_UTF8 = b"\xff\xfe"


def has_syntax(sample: Sample) -> bool:
    """Tell whether there are bodies that nobody can take for one of this media type."""
    return sample.content_type.partition(";")[0].strip().lower() in SYNTAX


def undecodable(sample: Sample, word: bytes) -> bytes:
    """Return bytes that are not UTF-8 and not JSON, CSV or npy either, with a word in them."""
    return b'{"' + NOT_UTF8 + word + b'\n"' + word


def words_for_data(sample: Sample, word: bytes) -> list[bytes]:
    """Return bodies that can be decoded, with a word where most models expect a number."""
    columns = sample.body.split(b"\n")[0].count(b",") + 1
    known = {
        "text/csv": [b",".join([word] * columns) + b"\n"],
        "application/json": [b'["' + word + b'"]', b'{"' + word + b'": "' + word + b'"}', b'{"' + word],
        "application/jsonlines": [b'{"' + word + b'": "' + word + b'"}\n'],
    }
    return known.get(sample.content_type.partition(";")[0].strip().lower(), [])


def ask_with(server: Server, sample: Sample, body: bytes) -> requests.Response:
    """Send another body as if it were the sample."""
    return ask(server, body, {"Content-Type": sample.content_type})
