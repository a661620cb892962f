"""boto3's invoke_endpoint_async: accepted at once, answered in S3, for which moto's server stands in."""

import threading
import uuid

import pytest
import requests
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from scripted import announces, answers, cuts, echo, streams, waits

from ports import free_port
from runtime.asynchronous import AsyncInvocations, Outputs
from runtime.endpoints import parse_endpoint
from runtime.errors import Words
from runtime.limits import Limits
from runtime.s3 import Location, S3Store, StoreError
from server import until

BUCKET = "predictions"


@pytest.fixture
def store(s3):
    return S3Store(s3, (Boto3Error, BotoCoreError, ClientError))


@pytest.fixture
def start(store, runtime, said):
    """Return a client of an endpoint that answers below a prefix of its own."""

    def start(*ports, limits=None, failures=True):
        prefix = Location(BUCKET, uuid.uuid4().hex)
        outputs = Outputs(prefix.child("out"), prefix.child("failed") if failures else None)
        return runtime(*ports, asynchronous=AsyncInvocations(store, outputs, limits or Limits(), said.append))

    return start


@pytest.fixture
def read(s3):
    """Wait for an object, and return its body and its type."""

    def read(uri):
        place = Location.parse(uri)
        found = until(lambda: found_in(s3, place), uri)
        return found["Body"].read(), found["ContentType"]

    return read


def found_in(s3, place):
    try:
        return s3.get_object(Bucket=place.bucket, Key=place.key)
    except s3.exceptions.NoSuchKey:
        return None


def submit(client, **request):
    return client.invoke_endpoint_async(EndpointName="x", **request)


def put(s3, body):
    key = uuid.uuid4().hex
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def test_the_input_comes_from_s3_and_the_answer_goes_there(s3, container, start, read):
    there = container(echo)
    answer = submit(
        start(there.port),
        InputLocation=put(s3, b"1,2"),
        ContentType="text/csv",
        Accept="application/json",
        InferenceId="id-1",
        CustomAttributes="a=1",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "id-1"
    assert answer["OutputLocation"].endswith("/out/id-1.out")
    assert answer["FailureLocation"].endswith("/failed/id-1-error.out")
    assert read(answer["OutputLocation"]) == (b"1,2", "text/csv")
    (received,) = there.requests
    assert received.headers["Accept"] == "application/json"
    assert received.headers["X-Amzn-SageMaker-Inference-Id"] == "id-1"
    assert received.headers["X-Amzn-SageMaker-Custom-Attributes"] == "a=1"


def test_a_small_input_may_be_in_the_request(container, start, read):
    answer = submit(start(container(echo).port), Body=b"1,2", ContentType="text/csv")
    assert uuid.UUID(answer["InferenceId"])
    assert read(answer["OutputLocation"]) == (b"1,2", "text/csv")


def test_it_is_accepted_before_the_container_has_answered(container, start, read):
    gate = threading.Event()
    answer = submit(start(container(waits(gate)).port), Body=b"1")
    gate.set()
    assert read(answer["OutputLocation"])[0] == b"late"


def test_megabytes_go_through_files(s3, container, start, read):
    body = bytes(range(256)) * (30 << 12)
    assert read(submit(start(container(echo).port), InputLocation=put(s3, body))["OutputLocation"])[0] == body


class Scattered(S3Store):
    """Downloads that write their last piece first, as those in several threads may."""

    def fetch(self, location, into):
        super().fetch(location, into)
        into.seek(1)


def test_the_body_is_whole_however_it_was_downloaded(s3, store, container, runtime, read):
    outputs = Outputs(Location(BUCKET, uuid.uuid4().hex), None)
    scattered = AsyncInvocations(Scattered(s3, store.failures), outputs, Limits(), print)
    client = runtime(container(echo).port, asynchronous=scattered)
    assert read(submit(client, InputLocation=put(s3, b"12345"))["OutputLocation"])[0] == b"12345"


def test_the_caller_may_name_the_answer(container, start, read):
    answer = submit(start(container(echo).port), Body=b"1", S3OutputPathExtension="/2026/11/", Filename="mine.csv")
    assert answer["OutputLocation"].endswith("/out/2026/11/mine.csv")
    assert read(answer["OutputLocation"])[0] == b"1"


def test_what_the_container_refuses_is_the_failure(container, start, read, said):
    there = container(answers(400, b'{"error": "no"}'))
    answer = submit(start(there.port), Body=b"1", InferenceId="id-2")
    assert read(answer["FailureLocation"])[0] == b'{"error": "no"}'
    assert len(there.requests) == 1
    assert 'x async id-2: failed: {"error": "no"}' in said


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (cuts, "Amazon SageMaker could not get a response from the x endpoint."),
        (announces(200, 100, b"beginning"), "Amazon SageMaker could not get a response from the x endpoint."),
        (
            streams(b"one", b"two"),
            "The response from container primary did not specify the required Content-Length header",
        ),
    ],
    ids=["hangs up", "breaks off", "streams"],
)
def test_a_container_that_does_not_answer_as_it_must_is_the_failure(container, start, read, script, message):
    answer = submit(start(container(script).port), Body=b"1")
    assert read(answer["FailureLocation"])[0].decode().startswith(message)


def test_no_container_is_the_failure(start, read):
    failure = read(submit(start(free_port()), Body=b"1")["FailureLocation"])[0]
    assert failure.startswith(b"Amazon SageMaker could not get a response from the x endpoint.")


def test_the_time_of_the_request_is_kept(container, start, read):
    gate = threading.Event()
    answer = submit(start(container(waits(gate)).port), Body=b"1", InvocationTimeoutSeconds=1)
    failure = read(answer["FailureLocation"])[0]
    gate.set()
    assert failure.startswith(b"Your invocation timed out while waiting for a response from container primary.")


def test_an_input_that_is_not_there_is_the_failure(container, start, read):
    answer = submit(start(container(echo).port), InputLocation=f"s3://{BUCKET}/nothing")
    assert read(answer["FailureLocation"])[0].startswith(f"could not read s3://{BUCKET}/nothing: ".encode())


def test_an_input_over_the_limit_is_the_failure(s3, container, start, read):
    place = put(s3, bytes((1 << 20) + 1))
    answer = submit(start(container(echo).port, limits=Limits(async_bytes=1 << 20)), InputLocation=place)
    assert read(answer["FailureLocation"])[0] == (
        f"{place} has 1048577 bytes, which has exceeded the maximum limit of 1 MB.".encode()
    )


def test_without_a_place_for_failures_the_log_has_them(container, start, said):
    answer = submit(start(container(answers(500, b"broken")).port, failures=False), Body=b"1", InferenceId="id-3")
    assert "FailureLocation" not in answer
    until(lambda: "x async id-3: failed: broken" in said, "the failure in the log")


def test_an_answer_that_cannot_be_written_is_in_the_log(store, container, runtime, said):
    nowhere = Outputs(Location("no-such-bucket", "out"), Location("no-such-bucket", "failed"))
    client = runtime(container(echo).port, asynchronous=AsyncInvocations(store, nowhere, Limits(), said.append))
    submit(client, Body=b"1", InferenceId="id-4")
    until(lambda: len([line for line in said if "id-4: " in line]) == 2, "both failures in the log")
    assert any("id-4: failed: could not write s3://no-such-bucket/out/id-4.out: " in line for line in said)
    assert any("id-4: could not write s3://no-such-bucket/failed/id-4-error.out: " in line for line in said)


def test_a_request_that_waited_too_long_is_never_asked(store, container, said):
    there = container(echo)
    invocations = AsyncInvocations(store, Outputs(Location(BUCKET, "late"), None), Limits(), said.append)
    endpoint, headers = parse_endpoint(f"x={there.port}"), {"X-Amzn-SageMaker-RequestTTLSeconds": "60"}
    clock = iter((0.0, 60.0)).__next__  # when it is accepted, and when its turn has come
    job = invocations.job_of(endpoint, Words("x", "eu-west-1"), headers, b"1", clock)
    invocations.carry_out(job)
    assert said == [f"x async {job.inference_id}: failed: the 60 s were over"]
    assert there.requests == []


def refused(client, **request):
    with pytest.raises(client.exceptions.ValidationError) as caught:
        submit(client, **request)
    return caught.value.response["Message"]


def test_requests_that_make_no_sense_are_refused_at_once(s3, container, start):
    there = container(echo)
    client = start(there.port)
    either = "Body and InputLocation are mutually exclusive. Provide exactly one of them."
    assert refused(client) == either
    assert refused(client, Body=b"1", InputLocation=put(s3, b"1")) == either
    wrong = "InputLocation: 'https://predictions/x' is no S3 location: s3://bucket/key was expected."
    assert refused(client, InputLocation="https://predictions/x") == wrong
    too_large = "Body has more than 128000 bytes; put it into S3, as InputLocation."
    assert refused(client, Body=bytes(128_001)) == too_large
    assert there.requests == []


def test_numbers_out_of_their_range_are_refused(container, start):
    client = start(container(echo).port)
    url = f"{client.meta.endpoint_url}/endpoints/x/async-invocations"
    for name, number, least, most in (
        ("InvocationTimeoutSeconds", "3601", 1, 3600),
        ("InvocationTimeoutSeconds", "soon", 1, 3600),
        ("RequestTTLSeconds", "59", 60, 21_600),
    ):
        answer = requests.post(url, data=b"1", headers={f"X-Amzn-SageMaker-{name}": number}, timeout=60)
        assert answer.json()["Message"] == f"{name} is {number}; a number from {least} to {most} was expected."


def test_128_000_bytes_may_be_in_the_request(container, start, read):
    assert len(read(submit(start(container(echo).port), Body=bytes(128_000))["OutputLocation"])[0]) == 128_000


def test_an_endpoint_that_is_not_asynchronous_says_how_it_would_be(container, runtime):
    message = refused(runtime(container(echo).port), Body=b"1")
    assert message == "Endpoint x is not asynchronous: start the local endpoint with --async-output s3://bucket/prefix."


@pytest.mark.parametrize("uri", ["bucket/key", "s3:/bucket", "s3:///key", "https://bucket/key", ""])
def test_a_place_that_is_not_in_s3_is_told_from_one_that_is(uri):
    with pytest.raises(ValueError, match="is no S3 location: s3://bucket/key was expected"):
        Location.parse(uri)


def test_a_bucket_that_is_not_there_is_missed(store):
    with pytest.raises(StoreError, match="could not find the bucket no-such-bucket: "):
        store.require_bucket(Location("no-such-bucket", ""))
