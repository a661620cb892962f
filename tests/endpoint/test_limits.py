"""The service's limits of size, which can be switched."""

import pytest
import requests
from invoking import invoke, refused
from scripted import answers, echo

from runtime.limits import MB, Limits

SMALL = Limits(request_bytes=1000)
SERVERLESS = Limits.serverless(60, 480)


def test_a_real_time_endpoint_takes_25_megabytes_and_not_a_byte_more(container, runtime):
    there = container(answers(200, b"taken"))
    client = runtime(there.port)
    assert invoke(client, bytes(25 * MB))["Body"] == b"taken"
    response = refused(client, bytes(25 * MB + 1))
    assert response["Error"] == {"Code": "413", "Message": "HTTP content length exceeded 26214400 bytes."}
    assert len(there.requests) == 1


def test_the_limit_counts_for_a_body_of_unannounced_length_too(container, put_in_front):
    there = container(answers(200, b"taken"))
    url = f"http://127.0.0.1:{put_in_front(there.port, limits=SMALL)}/endpoints/x/invocations"
    assert requests.post(url, data=iter([bytes(600), bytes(400)]), timeout=60).text == "taken"
    assert requests.post(url, data=iter([bytes(600), bytes(401)]), timeout=60).status_code == 413


def test_a_serverless_endpoint_takes_4_megabytes(container, runtime):
    client = runtime(container(answers(200, b"taken")).port, limits=SERVERLESS)
    assert invoke(client, bytes(4 * MB))["Body"] == b"taken"
    response = refused(client, bytes(4 * MB + 1))
    assert response["Error"]["Code"] == "ValidationError"
    assert response["Message"] == f"Request {response['ResponseMetadata']['RequestId']} has oversize body."


def test_a_serverless_endpoint_answers_4_megabytes(container, runtime):
    within = runtime(container(answers(200, bytes(4 * MB))).port, limits=SERVERLESS)
    assert len(invoke(within, b"1")["Body"]) == 4 * MB
    response = refused(runtime(container(answers(200, bytes(4 * MB + 1))).port, limits=SERVERLESS))
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 200)
    assert response["OriginalMessage"] == (
        "Received response from primary with status code 200. However, the response payload from primary "
        "has exceeded the maximum limit of 4 MB"
    )


def test_a_serverless_container_that_is_not_ready_makes_callers_wait(container, put_in_front, connect):
    there = container(echo, ping=503)
    client = connect(put_in_front(there.port, limits=SERVERLESS))
    with pytest.raises(client.exceptions.ModelNotReadyException) as caught:
        client.invoke_endpoint(EndpointName="x", Body=b"1")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Message"].endswith("Wait and try your request again.")
    assert there.requests == []
    there.ping = 200
    assert invoke(client, b"1")["Body"] == b"1"
    there.ping = 503  # once it has been ready, it is not asked again
    assert invoke(client, b"2")["Body"] == b"2"


def test_a_real_time_container_is_asked_whatever_its_ping_says(container, runtime):
    client = runtime(container(echo, ping=503).port)
    assert invoke(client, b"1")["Body"] == b"1"


def test_without_limits_everything_passes(container, runtime):
    first, second = container(echo), container(answers(200, b"taken"))
    client = runtime(first.port, second.port, limits=Limits.unlimited(60, 480))
    assert invoke(client, bytes(26 * MB))["Body"] == b"taken"
    assert len(second.requests[0].body) == 26 * MB
