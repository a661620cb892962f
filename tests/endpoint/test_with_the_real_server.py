"""boto3, the local endpoint, and behind it `serve` with a model."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from botocore.exceptions import EventStreamError
from invoking import invoke, parts_of, refused, stream

from abalone import PREDICTION, ROW, SHELLS, calculated, lines
from runtime.limits import Limits
from server import MODELS, ContainerServer, until

pytestmark = pytest.mark.nginx

PREFIX = "X-Amzn-SageMaker-"
SESSION = "abc-1; Expires=2030-01-01T00:00:00Z"


def orders(**what):
    """Return the body of a request to the test models that do as they are told."""
    return json.dumps(what).encode()


def test_thirty_two_callers_at_once_get_the_models_number(abalone, runtime):
    client = runtime(abalone.port, limits=Limits(request_bytes=1000))
    everybody = threading.Barrier(32)

    def ask(_):
        everybody.wait(60)
        return float(invoke(client, ROW.encode(), ContentType="text/csv")["Body"])

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(32))) == pytest.approx([PREDICTION] * 32)


def test_what_the_model_refuses_is_its_own_message_to_the_caller(abalone, runtime):
    response = refused(runtime(abalone.port), b"not a shell", ContentType="text/csv")
    assert response["OriginalStatusCode"] == 400
    assert json.loads(response["OriginalMessage"])["error"]["code"] == "bad_request"

    def refusals():
        requests = [line for line in abalone.log_lines() if line["message"] == "request"]
        return [line["status"] for line in requests].count(400)

    until(refusals, "the request's line")
    assert refusals() == 1


def test_two_models_are_a_pipeline_that_answers_as_they_do_in_python(host, runtime):
    servers = [host(MODELS / "abalone_featurizer", wait=False), host(MODELS / "abalone_predictor", wait=False)]
    for server in servers:
        server.wait_until_ready()
    client = runtime(*(server.port for server in servers))
    assert through_both(client) == pytest.approx(calculated(SHELLS))


@pytest.mark.engine
def test_two_containers_of_one_image_are_a_pipeline_too(image, runtime):
    with ExitStack() as stack:
        models = (MODELS / "abalone_featurizer", MODELS / "abalone_predictor")
        servers = [stack.enter_context(closing(ContainerServer(model, {}, image=image))) for model in models]
        for server in servers:
            server.wait_until_ready()
        client = runtime(*(server.port for server in servers))
        assert through_both(client) == pytest.approx(calculated(SHELLS))


def through_both(client):
    return json.loads(invoke(client, lines(SHELLS).encode(), ContentType="text/csv")["Body"])["result"]


def test_the_models_headers_and_parts_reach_the_caller(host, runtime, tmp_path):
    """One server, and all that its hooks can do: attributes, sessions, parts at once, a break, a caller who left."""
    server = host("streaming")
    client = runtime(server.port)
    attributes_and_session_pass(client)
    a_part_arrives_before_the_model_goes_on(client, tmp_path / "gate")
    a_hook_that_raises_in_its_stream_breaks_it(client)
    the_hook_is_closed_when_the_caller_goes_away(client, server, tmp_path / "never")


def attributes_and_session_pass(client):
    headers = {PREFIX + "Custom-Attributes": "seen=1", PREFIX + "Session-Id": SESSION}
    answer = invoke(
        client, orders(headers=headers), CustomAttributes="asked=1", SessionId="NEW_SESSION", InferenceId="i-1"
    )
    assert (answer["CustomAttributes"], answer["NewSessionId"]) == ("seen=1", SESSION)
    seen = json.loads(answer["Body"])["seen"]
    assert seen == {
        "x-amzn-sagemaker-custom-attributes": "asked=1",
        "x-amzn-sagemaker-session-id": "NEW_SESSION",
        "x-amzn-sagemaker-inference-id": "i-1",
    }
    closing_headers = {PREFIX + "Closed-Session-Id": "abc-1"}
    assert invoke(client, orders(headers=closing_headers), SessionId="abc-1")["ClosedSessionId"] == "abc-1"


def a_part_arrives_before_the_model_goes_on(client, gate):
    answer = stream(client, orders(parts=["one", {"wait_for": str(gate)}, "two"], content_type="application/jsonlines"))
    assert answer["ContentType"].startswith("application/jsonlines")
    events = iter(answer["Body"])
    assert parts_of([next(events)]) == [b"one"]
    gate.touch()
    assert parts_of(events) == [b"two"]


def a_hook_that_raises_in_its_stream_breaks_it(client):
    body = stream(client, orders(parts=["one", {"raise": "broken"}]))["Body"]
    with closing(body), pytest.raises(EventStreamError) as caught:
        list(body)
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"


def the_hook_is_closed_when_the_caller_goes_away(client, server, gate):
    closed_before = server.log_text().count('"closed"')
    body = stream(client, orders(parts=["one", {"wait_for": str(gate)}, {"for_ever": "x" * 1000}]))["Body"]
    assert parts_of([next(iter(body))]) == [b"one"]
    body.close()
    gate.touch()
    until(lambda: server.log_text().count('"closed"') > closed_before, "the end of the hook's generator")


def test_a_serverless_endpoint_lets_callers_wait_until_the_model_is_loaded(host, put_in_front, connect, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    server = host("obedient", wait=False, SERVING_TEST_GATE=str(gate))
    until(server.log_text, "the server's first words")
    client = connect(put_in_front(server.port, limits=Limits.serverless(60, 480)))
    with pytest.raises(client.exceptions.ModelNotReadyException):
        client.invoke_endpoint(EndpointName="x", Body=b"{}")
    gate.unlink()
    server.wait_until_ready()
    assert json.loads(invoke(client, b"{}", ContentType="application/json")["Body"])["orders"] == {}
