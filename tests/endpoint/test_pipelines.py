"""A serial pipeline: each container is given what the one before it answered."""

import pytest
from invoking import invoke, refused
from scripted import answers, echo, streams

from ports import free_port


def test_the_type_is_handed_on_as_it_was_answered(container, runtime):
    first, second = container(answers(200, b"1,2\r\n", Content_Type="text/csv; charset=utf-8")), container(echo)
    request = {"ContentType": "application/json", "Accept": "text/csv", "CustomAttributes": "a=1"}
    assert invoke(runtime(first.port, second.port), **request)["Body"] == b"1,2\r\n"
    assert first.requests[0].headers["Content-Type"] == "application/json"
    assert second.requests[0].headers["Content-Type"] == "text/csv; charset=utf-8"
    assert second.requests[0].headers["Content-Length"] == "5"
    for received in (first.requests[0], second.requests[0]):
        assert received.headers["Accept"] == "text/csv"
        assert received.headers["X-Amzn-SageMaker-Custom-Attributes"] == "a=1"


def test_an_answer_without_a_type_is_handed_on_without_one(container, runtime):
    first, second = container(answers(200, b"1")), container(echo)
    invoke(runtime(first.port, second.port), ContentType="text/csv")
    assert "Content-Type" not in second.requests[0].headers


def test_a_streamed_answer_is_handed_on_whole(container, runtime):
    first, second = container(streams(b"one,", b"two")), container(echo)
    assert invoke(runtime(first.port, second.port))["Body"] == b"one,two"


@pytest.mark.parametrize(("failing", "name"), [(0, "container-1"), (1, "container-2"), (2, "container-3")])
def test_an_error_names_the_container_and_those_after_it_are_not_asked(container, runtime, failing, name):
    all_three = [container(echo) for _ in range(3)]
    all_three[failing].script = answers(415, b"not this")
    response = refused(runtime(*(each.port for each in all_three)))
    assert response["Message"].startswith(
        f'Received client error (415) from {name} with message "not this". See https://'
    )
    assert response["OriginalStatusCode"] == 415
    assert [len(each.requests) for each in all_three] == [1 if number <= failing else 0 for number in range(3)]


def test_a_container_that_is_not_there_is_named(container, runtime):
    response = refused(runtime(container(echo).port, free_port()))
    assert response["Message"].startswith(
        'Received server error (0) from container-2 with message "Amazon SageMaker could'
    )


def test_five_megabytes_may_be_handed_on_and_not_a_byte_more(container, runtime):
    first, second = container(answers(200, bytes(5 << 20))), container(answers(200, b"taken"))
    client = runtime(first.port, second.port)
    assert invoke(client, b"1")["Body"] == b"taken"
    first.script = answers(200, bytes((5 << 20) + 1))
    response = refused(client)
    assert response["Error"]["Code"] == "ModelError"
    assert response["Message"].startswith(
        "Received response from container-1 with status code 200. However, the request payload from container-1 to "
        "container-2 is 5242881 bytes, which has exceeded the maximum limit of 5 MB. See https://"
    )
    assert len(second.requests) == 1
