"""What goes wrong, as botocore understands it, in SageMaker's words, and each time after one single request."""

import socket
import threading

import pytest
import requests
from invoking import refused
from scripted import announces, answers, cuts, echo, waits

from ports import free_port
from runtime.limits import Limits

LOG = (
    ". See https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logEventViewer:"
    "group=/aws/sagemaker/Endpoints/x in account 000000000000 for more information."
)
LOG_STREAM = "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/sagemaker/Endpoints/x"
NO_RESPONSE = (
    "Amazon SageMaker could not get a response from the x endpoint. "
    "This can occur when CPU or memory utilization is high."
)
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


@pytest.mark.parametrize(
    ("status", "side"), [(400, "client"), (415, "client"), (429, "client"), (500, "server"), (503, "server")]
)
def test_a_container_that_refuses_is_a_model_error_and_is_asked_once(container, put_in_front, connect, status, side):
    there = container(answers(status, b'{"error": "no"}', Content_Type="application/json"))
    client = connect(put_in_front(there.port), attempts=5)
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName="x", Body=b"1")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == '{"error": "no"}'
    assert response["LogStreamArn"] == LOG_STREAM
    assert response["Message"] == f'Received {side} error ({status}) from primary with message "{{"error": "no"}}"{LOG}'
    assert len(there.requests) == 1


def test_a_redirect_is_no_answer(container, runtime):
    assert refused(runtime(container(answers(302, b"", Location="/")).port))["OriginalStatusCode"] == 302


def test_a_long_message_is_cut_to_the_models_limit(container, runtime):
    response = refused(runtime(container(answers(500, b"x" * 5000)).port))
    assert response["OriginalMessage"] == "x" * 2048


def test_an_error_that_breaks_off_could_not_be_loaded(container, runtime):
    response = refused(runtime(container(announces(500, 100, b"beg")).port))
    assert (
        response["Message"]
        == f"Received server error (500) from primary and could not load the entire response body{LOG}"
    )
    assert response["OriginalMessage"] == ""


def test_a_container_that_is_not_there_is_a_model_error_with_status_0(runtime, said):
    port = free_port()
    response = refused(runtime(port))
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == 0
    assert response["OriginalMessage"] == NO_RESPONSE
    assert response["Message"] == f'Received server error (0) from primary with message "{NO_RESPONSE}"{LOG}'
    assert said[0].endswith(f"because localhost:{port}: ConnectionRefusedError: [Errno 111] Connection refused")


@pytest.mark.parametrize("script", [cuts, announces(200, 100, b"beginning")], ids=["at once", "in its answer"])
def test_a_container_that_hangs_up_is_a_model_error_with_status_0(container, runtime, script):
    there = container(script)
    response = refused(runtime(there.port))
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (0, NO_RESPONSE)
    assert len(there.requests) == 1


def test_no_answer_in_time_is_a_model_error_with_status_0(container, runtime, said):
    gate = threading.Event()
    there = container(waits(gate))
    response = refused(runtime(there.port, limits=Limits(seconds=0.3)))
    gate.set()
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (0, TIMED_OUT)
    assert response["Message"] == f'Received server error (0) from primary with message "{TIMED_OUT}"{LOG}'
    assert said[0].endswith(f"because localhost:{there.port}: nothing more came within 0.3 s")


def test_the_time_is_for_the_whole_answer_however_often_a_bit_of_it_arrives(container, runtime):
    def drips(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            try:
                handler.wfile.write(b".")
            except OSError:
                break
            threading.Event().wait(0.05)

    assert refused(runtime(container(drips).port, limits=Limits(seconds=0.5)))["OriginalMessage"] == TIMED_OUT


def test_an_endpoint_that_is_not_served_is_a_validation_error(container, put_in_front, connect):
    client = connect(put_in_front(container(echo).port))
    with pytest.raises(client.exceptions.ValidationError) as caught:
        client.invoke_endpoint(EndpointName="another", Body=b"1")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["Message"] == "Endpoint another of account 000000000000 not found."


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/endpoints/x/invocations"), ("POST", "/endpoints/x"), ("GET", "/")]
)
def test_what_is_not_in_the_api_is_an_unknown_operation(container, put_in_front, method, path):
    answer = requests.request(method, f"http://127.0.0.1:{put_in_front(container(echo).port)}{path}", timeout=60)
    assert answer.status_code == 404
    assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"
    assert "There are invocations, invocations-response-stream and async-invocations" in answer.json()["Message"]


def test_the_message_names_the_region_that_the_caller_signed_for(container, put_in_front):
    port = put_in_front(container(answers(500, b"")).port)
    unsigned = requests.post(f"http://127.0.0.1:{port}/endpoints/x/invocations", data=b"1", timeout=60)
    assert unsigned.json()["LogStreamArn"] == LOG_STREAM.replace("eu-west-1", "us-east-1")
    assert unsigned.json()["ErrorCode"] == "INTERNAL_FAILURE_FROM_MODEL"


def test_a_container_may_answer_before_it_has_read_everything(container, runtime):
    """As nginx does with 413: the answer counts, not the broken pipe."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
                connection.shutdown(socket.SHUT_WR)
            # Closing with bytes unread resets the connection, in the middle of the sending.

        thread = threading.Thread(target=refuse)
        thread.start()
        response = refused(runtime(listener.getsockname()[1]), bytes(5 << 20))
        thread.join()
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (413, "too large")


def test_a_fault_of_our_own_is_an_internal_failure_and_its_traceback_is_in_the_log(runtime, said):
    response = refused(runtime(8080, limits="no limits at all"))
    assert response["Error"]["Code"] == "InternalFailure"
    assert response["Message"] == "The local endpoint failed; its log has the details."
    assert "AttributeError" in said[0]
