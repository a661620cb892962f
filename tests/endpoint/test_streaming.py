"""boto3's invoke_endpoint_with_response_stream: each part at once, and how a stream may end."""

import json
import threading
from contextlib import closing

import pytest
import requests
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from invoking import parts_of, stream
from scripted import PATIENCE, announces, answers, echo, streams, streams_until_left

from ports import free_port
from runtime.limits import Limits
from server import until

BROKEN = "The Transmission Control Protocol (TCP) connection between the client and the model was reset or closed."
TOO_LONG = "The model failed to finish sending the response within the timeout period allowed by Amazon SageMaker."


def test_a_part_arrives_while_the_model_still_works_on_the_next(container, runtime):
    gates = [threading.Event(), threading.Event()]
    there = container(streams(b"one", gates[0], b"two", gates[1], b"three", Content_Type="application/jsonlines"))
    answer = stream(runtime(there.port))
    assert answer["ContentType"] == "application/jsonlines"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    events = iter(answer["Body"])
    assert parts_of([next(events)]) == [b"one"]
    gates[0].set()
    assert parts_of([next(events)]) == [b"two"]
    gates[1].set()
    assert parts_of(events) == [b"three"]


def test_an_answer_in_one_piece_is_one_part(container, runtime):
    there = container(echo)
    assert parts_of(stream(runtime(there.port), b"whole", ContentType="text/csv")["Body"]) == [b"whole"]


def test_an_empty_answer_has_no_parts(container, runtime):
    assert parts_of(stream(runtime(container(answers(200)).port))["Body"]) == []


def test_megabytes_are_streamed_whole(container, runtime):
    body = bytes(range(256)) * 40_000
    assert b"".join(parts_of(stream(runtime(container(echo).port), body)["Body"])) == body


def test_the_container_gets_accept_by_its_own_name_and_the_caller_the_containers_headers(container, runtime):
    there = container(streams(b"1", X_Amzn_SageMaker_Custom_Attributes="seen=1"))
    answer = stream(runtime(there.port), ContentType="text/csv", Accept="text/event-stream", CustomAttributes="a=1")
    parts_of(answer["Body"])
    assert answer["CustomAttributes"] == "seen=1"
    received = {name.lower(): value for name, value in there.requests[0].headers.items()}
    assert received["accept"] == "text/event-stream"
    assert received["content-type"] == "text/csv"
    assert received["x-amzn-sagemaker-custom-attributes"] == "a=1"
    assert "x-amzn-sagemaker-accept" not in received


def test_a_stream_through_a_pipeline_is_the_last_containers(container, runtime):
    first, gate = container(answers(200, b"features")), threading.Event()
    last = container(streams(b"one", gate, b"two"))
    events = iter(stream(runtime(first.port, last.port))["Body"])
    assert parts_of([next(events)]) == [b"one"]
    gate.set()
    assert parts_of(events) == [b"two"]
    assert last.requests[0].body == b"features"


@pytest.mark.parametrize(
    "script",
    [streams(b"one", b"two", ends=False), announces(200, 100, b"onetwo")],
    ids=["chunked", "of a known length"],
)
def test_a_container_that_dies_in_its_answer_is_a_model_stream_error(container, runtime, said, script):
    received = []
    events = stream(runtime(container(script).port))["Body"]
    with closing(events), pytest.raises(EventStreamError) as caught:
        received.extend(event["PayloadPart"]["Bytes"] for event in events)
    assert b"".join(received) == b"onetwo"
    assert caught.value.response["Error"] == {"Code": "ModelStreamError", "Message": BROKEN}
    (line,) = until(lambda: said, "the access line")
    assert "; StreamBroken: localhost:" in line


def test_a_stream_that_takes_too_long_is_a_model_stream_error(container, runtime, said):
    gate = threading.Event()
    there = container(streams(b"one", gate, b"two"))
    body = stream(runtime(there.port, limits=Limits(stream_seconds=0.5)))["Body"]
    events = iter(body)
    assert parts_of([next(events)]) == [b"one"]
    with closing(body), pytest.raises(EventStreamError) as caught:
        next(events)
    gate.set()
    assert caught.value.response["Error"] == {"Code": "ModelStreamError", "Message": TOO_LONG}
    (line,) = until(lambda: said, "the access line")
    assert "; ModelInvocationTimeExceeded: " in line


def test_the_error_code_that_botocore_leaves_out_is_in_the_frame(container, put_in_front):
    gate = threading.Event()
    cut, slow = container(streams(b"one", ends=False)), container(streams(b"one", gate, b"two"))
    port = put_in_front(cut=[cut.port], slow=[slow.port], limits=Limits(stream_seconds=0.5))
    assert last_frame(port, "cut")["ErrorCode"] == "StreamBroken"
    assert last_frame(port, "slow")["ErrorCode"] == "ModelInvocationTimeExceeded"
    gate.set()


def last_frame(port, name):
    url = f"http://127.0.0.1:{port}/endpoints/{name}/invocations-response-stream"
    buffer = EventStreamBuffer()
    buffer.add_data(requests.post(url, data=b"1", timeout=60).content)
    *parts, end = buffer
    assert [part.payload for part in parts] == [b"one"]
    return json.loads(end.payload)


def test_what_goes_wrong_before_the_first_part_is_a_model_error(container, runtime):
    there = container(answers(500, b"broken"))
    with pytest.raises(ClientError) as caught:
        stream(runtime(there.port))
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert (caught.value.response["OriginalStatusCode"], caught.value.response["OriginalMessage"]) == (500, "broken")
    assert len(there.requests) == 1


def test_no_container_is_a_model_error_of_a_stream_as_well(runtime):
    with pytest.raises(ClientError) as caught:
        stream(runtime(free_port()))
    assert caught.value.response["OriginalStatusCode"] == 0


def test_the_containers_connection_ends_when_the_caller_goes_away(container, runtime, said):
    """Also while there is nothing to write: the container has sent its part, and waits."""
    left = threading.Event()
    events = stream(runtime(container(streams_until_left(left)).port))["Body"]
    assert parts_of([next(iter(events))]) == [b"first"]
    events.close()
    assert left.wait(PATIENCE)
    (line,) = until(lambda: said, "the access line")
    assert line.endswith("; the caller went away")
