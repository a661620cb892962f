"""boto3's invoke_endpoint: the body as it is, the headers that SageMaker knows, and none of its own."""

import os
import subprocess
import sys

from invoking import invoke
from scripted import answers, echo

ALL_BYTES = bytes(range(256))
PREFIX = "X-Amzn-SageMaker-"
INVOCATION = """
import boto3
answer = boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName="x", Body=b"unchanged")
print(answer["Body"].read().decode())
"""


def test_every_byte_arrives_and_comes_back(container, runtime):
    answer = invoke(runtime(container(echo).port), ALL_BYTES, ContentType="application/x-bytes; v=1")
    assert answer["Body"] == ALL_BYTES
    assert answer["ContentType"] == "application/x-bytes; v=1"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ResponseMetadata"]["RequestId"]


def test_twenty_megabytes_pass(container, runtime):
    body = os.urandom(20 << 20)
    assert invoke(runtime(container(echo).port), body)["Body"] == body


def test_an_empty_body_is_an_invocation(container, runtime):
    there = container(answers(200, b"fine"))
    assert invoke(runtime(there.port), b"")["Body"] == b"fine"
    assert there.requests[0].headers["Content-Length"] == "0"


def test_the_container_gets_the_headers_that_the_api_has(container, runtime):
    there = container(echo)
    invoke(
        runtime(there.port),
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="trace=1",
        InferenceId="id-1",
        TargetModel="model.tar.gz",
        TargetVariant="blue",
        TargetContainerHostname="second",
        InferenceComponentName="component",
        EnableExplanations="`true`",
        SessionId="NEW_SESSION",
        PrefixAwareId="prefix",
    )
    (received,) = there.requests
    assert received.path == "/invocations"
    assert {name: value for name, value in received.headers.items() if name != "Host"} == {
        "Content-Type": "text/csv",
        "Accept": "application/json",
        "Content-Length": "1",
        PREFIX + "Custom-Attributes": "trace=1",
        PREFIX + "Inference-Id": "id-1",
        PREFIX + "Target-Model": "model.tar.gz",
        PREFIX + "Target-Variant": "blue",
        PREFIX + "Target-Container-Hostname": "second",
        PREFIX + "Inference-Component": "component",
        PREFIX + "Enable-Explanations": "`true`",
        PREFIX + "Session-Id": "NEW_SESSION",
        PREFIX + "Prefix-Aware-Id": "prefix",
    }


def test_nothing_of_the_signature_reaches_the_container(container, runtime):
    there = container(echo)
    invoke(runtime(there.port))
    names = {name.lower() for name in there.requests[0].headers}
    assert names == {"host", "content-length"}


def test_custom_attributes_come_from_the_container_and_are_not_echoed(container, runtime):
    silent, speaking = container(echo), container(answers(200, b"", X_Amzn_SageMaker_Custom_Attributes="seen=1"))
    asked = {"CustomAttributes": "asked=1"}
    assert "CustomAttributes" not in invoke(runtime(silent.port), **asked)
    assert invoke(runtime(speaking.port), **asked)["CustomAttributes"] == "seen=1"


def test_a_session_is_opened_by_the_header_with_an_end_and_closed_by_the_other(container, runtime):
    session = "abc-1; Expires=2030-01-01T00:00:00Z"
    opening = answers(200, b"", X_Amzn_SageMaker_Session_Id=session)
    by_another_name = answers(200, b"", X_Amzn_SageMaker_New_Session_Id=session)
    echoing = answers(200, b"", X_Amzn_SageMaker_Session_Id="abc-1")
    closing = answers(200, b"", X_Amzn_SageMaker_Closed_Session_Id="abc-1")
    opened = [invoke(runtime(container(script).port), SessionId="abc-1") for script in (opening, by_another_name)]
    assert [answer["NewSessionId"] for answer in opened] == [session, session]
    assert "NewSessionId" not in invoke(runtime(container(echoing).port), SessionId="abc-1")
    assert invoke(runtime(container(closing).port), SessionId="abc-1")["ClosedSessionId"] == "abc-1"


def test_an_answer_without_a_type_gets_none_and_other_headers_stay_behind(container, runtime):
    answer = invoke(runtime(container(answers(200, b"1", X_Secret="s", Set_Cookie="c")).port))
    assert "ContentType" not in answer
    assert not {"x-secret", "set-cookie"} & set(answer["ResponseMetadata"]["HTTPHeaders"])


def test_any_good_status_of_the_container_is_200_to_the_caller(container, runtime):
    answer = invoke(runtime(container(answers(201, b"made")).port))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_several_endpoints_are_served_at_once(container, runtime):
    ports = {name: [container(answers(200, name.encode())).port] for name in ("first", "second")}
    client = runtime(**ports)
    assert [invoke(client, name=name)["Body"] for name in ports] == [
        b"first",
        b"second",
    ]


def test_one_variable_is_all_that_unchanged_code_needs(container, put_in_front):
    port = put_in_front(container(echo).port)
    environ = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://localhost:{port}",
    }
    done = subprocess.run([sys.executable, "-c", INVOCATION], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "unchanged\n", done.stderr


def test_each_request_has_a_line_in_the_log(container, runtime, said):
    invoke(runtime(container(echo).port), b"four")
    (line,) = said
    assert line.startswith("x/invocations 200 4 B in, 4 B out, ")
    assert line.endswith(" ms")
