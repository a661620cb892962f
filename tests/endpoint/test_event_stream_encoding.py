"""
Our frames are read by botocore's own decoder, and are the very bytes of its tests.

The vectors are those of botocore's tests/unit/test_eventstream.py: EMPTY_MESSAGE, PAYLOAD_NO_HEADERS,
PAYLOAD_ONE_STR_HEADER, ERROR_EVENT_MESSAGE, and the message of test_event_stream_initial_response.
"""

import json
import os

import pytest
from botocore.eventstream import EventStreamBuffer

from runtime.event_stream import message, payload_part, stream_error

ERROR_EVENT = (
    b"\x00\x00\x00\x52\x00\x00\x00\x42\xbf\x23\x63\x7e\x0d:message-type\x07\x00\x05error"
    b"\x0b:error-code\x07\x00\x04code\x0e:error-message\x07\x00\x07message\x6b\x6c\xea\x3d"
)
INITIAL_RESPONSE = (
    b"\x00\x00\x00~\x00\x00\x00O\xc5\xa3\xdd\xc6\r:message-type\x07\x00\x05event"
    b"\x0b:event-type\x07\x00\x10initial-response\r:content-type\x07\x00\ttext/json"
    b'{"InitialResponse": "sometext"}\xf6\x98$\x83'
)
ONE_HEADER = (
    b"\x00\x00\x00=\x00\x00\x00 \x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json"
    b"{'foo':'bar'}\x8d\x9c\x08\xb1"
)
VECTORS = [
    ({}, b"", b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff"),
    ({}, b"{'foo':'bar'}", b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96"),
    ({"content-type": "application/json"}, b"{'foo':'bar'}", ONE_HEADER),
    ({":message-type": "error", ":error-code": "code", ":error-message": "message"}, b"", ERROR_EVENT),
    (
        {":message-type": "event", ":event-type": "initial-response", ":content-type": "text/json"},
        b'{"InitialResponse": "sometext"}',
        INITIAL_RESPONSE,
    ),
]


def decoded(data):
    """Return what botocore reads; it checks both checksums."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(event.headers, event.payload) for event in buffer]


@pytest.mark.parametrize(("headers", "payload", "encoded"), VECTORS)
def test_the_bytes_are_those_of_botocores_tests(headers, payload, encoded):
    assert message(headers, payload) == encoded


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_000])
def test_a_part_of_any_size_is_read_by_botocore(size):
    part = os.urandom(size)
    headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    assert decoded(payload_part(part)) == [(headers, part)]


def test_frames_that_follow_each_other_are_told_apart():
    frames = payload_part(b"one") + payload_part(b"two") + stream_error("StreamBroken", "gone")
    assert [payload for _, payload in decoded(frames)][:2] == [b"one", b"two"]


def test_an_exception_is_read_by_botocore():
    ((headers, payload),) = decoded(stream_error("StreamBroken", "très broken"))
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "ModelStreamError"
    assert json.loads(payload) == {"Message": "très broken", "ErrorCode": "StreamBroken"}
