"""
The encoding `application/vnd.amazon.eventstream`: a message is a prelude, headers, a payload and checksums.

Total length, headers' length and the prelude's CRC-32 (4 bytes each, big-endian); then each header as a name (one byte
of length before it), the type 7 for a string, and the value (two bytes of length before it); the payload; and the
CRC-32 of all that. smithy-aws-event-stream would do it too, from Python 3.12 on.
"""

import json
from collections.abc import Mapping
from struct import pack
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
STRING = 7
OVERHEAD = 16  # the prelude's 12 bytes and the last checksum


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one encoded message."""
    encoded = b"".join(header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = pack("!II", OVERHEAD + len(encoded) + len(payload), len(encoded))
    start = lengths + pack("!I", crc32(lengths)) + encoded + payload
    return start + pack("!I", crc32(start))


def header(name: bytes, value: bytes) -> bytes:
    """Return one encoded header."""
    return pack("!B", len(name)) + name + pack("!BH", STRING, len(value)) + value


def payload_part(part: bytes) -> bytes:
    """Return a `PayloadPart` event."""
    headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    return message(headers, part)


def stream_error(code: str, text: str) -> bytes:
    """Return the exception `ModelStreamError` with its `ErrorCode`."""
    headers = {
        ":message-type": "exception",
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
    }
    return message(headers, json.dumps({"Message": text, "ErrorCode": code}).encode())
