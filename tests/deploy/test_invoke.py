"""A stage's endpoint is called once; what comes is the answer, or why there is none and whose fault that is."""

import io
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws

from builders import folder
from deploy.call.calling import Caller, Request, runtime_config
from deploy.call.invoke import LARGEST_REQUEST, LARGEST_SERVERLESS_REQUEST, invoke
from deploy.call.samples import content_type_of, first_sample, request_of
from deploy.errors import Refused
from deploy.progress import Clock
from deploy.stage.files import parse_stage
from server import MODELS

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/abalone@sha256:" + "0" * 64
KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
REQUEST = Request(b"1,2", "text/csv")
LOG = "Its log: aws logs tail /aws/sagemaker/Endpoints/shells --since 10m --region us-east-1"
BUCKET, PLACE = "mine", "stages/shells/requests/"
ANSWER, FAILURE = "s3://mine/answers/1.out", "s3://mine/failures/1-error.out"
OUR_ERROR = json.dumps({"error": {"code": "bad_request", "message": "Row 1 has 3 columns.", "request_id": "r-1"}})
MINUTE = 60


def stage_of(kind="instance", **settings):
    on_instances = {} if kind == "serverless" else {"instance": {"type": "ml.m5.large"}}
    return parse_stage("shells", {"kind": kind, "owner": "me", "image": URI, **on_instances, **settings}, "shells.toml")


class Time:
    """A clock that goes on when somebody sleeps; after some seconds, something happens."""

    def __init__(self, seconds=0, happens=lambda: None):
        self.began = self.time = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
        self.seconds, self.happens = seconds, happens

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)
        if self.time - self.began == timedelta(seconds=self.seconds):
            self.happens()


class World:
    """The services, of which two say what a test lays down, and what the caller is told."""

    def __init__(self, clients):
        self.clients = clients
        self.runtime, self.sagemaker = (Stubber(self.clients[name]) for name in ("sagemaker-runtime", "sagemaker"))
        self.s3 = self.clients["s3"]
        self.said = []

    def invoke(self, stage, request=REQUEST, time=None, patience=900.0):
        time = time or Time()
        clock = Clock(time.now, time.sleep)
        return invoke(Caller(self.clients.__getitem__, BUCKET, patience, self.said.append, clock), stage, request)

    def refusal(self, *arguments, **more):
        with pytest.raises(Refused) as caught:
            self.invoke(*arguments, **more)
        return caught.value.lines

    def fails(self, code, message="So it is.", status=400, **fields):
        self.runtime.add_client_error("invoke_endpoint", code, message, status, modeled_fields=fields or None)


@pytest.fixture(scope="module")
def clients():
    return {name: boto3.client(name, **KEYS) for name in ("sagemaker-runtime", "sagemaker", "s3")}


@pytest.fixture
def world(clients):
    with mock_aws():
        world = World(clients)
        world.s3.create_bucket(Bucket=BUCKET)
        with world.runtime, world.sagemaker:
            yield world
            world.runtime.assert_no_pending_responses()
            world.sagemaker.assert_no_pending_responses()


def streamed(body):
    return StreamingBody(io.BytesIO(body), len(body))


@pytest.mark.parametrize("kind", ["instance", "serverless"])
def test_the_answer_is_returned_and_what_happened_is_told(world, kind):
    asked = {"EndpointName": "shells", "Body": b"1,2", "ContentType": "text/csv", "Accept": "application/json"}
    world.runtime.add_response(
        "invoke_endpoint", {"Body": streamed(b"[7.2]"), "ContentType": "application/json"}, asked
    )
    assert world.invoke(stage_of(kind), Request(b"1,2", "text/csv", "application/json")) == b"[7.2]"
    assert world.said == ["- shells answered after 0.00 s: application/json, 5 bytes"]


def test_without_a_wish_the_answers_type_is_the_models_to_choose(world):
    asked = {"EndpointName": "shells", "Body": b"1,2", "ContentType": "text/csv"}
    world.runtime.add_response("invoke_endpoint", {"Body": streamed(b"7.2")}, asked)
    assert world.invoke(stage_of()) == b"7.2"
    assert world.said == ["- shells answered after 0.00 s: no media type, 3 bytes"]


@pytest.mark.parametrize(
    ("kind", "most", "words"),
    [
        ("instance", LARGEST_REQUEST, "The request has 25.0 MB; an endpoint takes 25.0 MB."),
        ("serverless", LARGEST_SERVERLESS_REQUEST, "The request has 4.0 MB; a serverless endpoint takes 4.0 MB."),
    ],
)
def test_a_request_that_is_too_large_is_not_sent(world, kind, most, words):
    first, second = world.refusal(stage_of(kind), Request(bytes(most + 1), "text/csv"))
    assert first == words
    assert second == "Send fewer rows at a time, or use an asynchronous endpoint (1 GB) or a transform job."
    world.runtime.add_response("invoke_endpoint", {"Body": streamed(b"")})
    world.invoke(stage_of(kind), Request(bytes(most), "text/csv"))


def test_a_stage_for_transform_jobs_has_no_endpoint(world):
    expected = ("shells has no endpoint: it is for transform jobs.", "make transform STAGE=shells")
    assert world.refusal(stage_of("batch")) == expected


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, OUR_ERROR, "The container answered 400: Row 1 has 3 columns. (bad_request, request r-1)"),
        (404, "<html>", "The container answered 404: <html>"),
        (422, '{"error": "text"}', 'The container answered 422: {"error": "text"}'),
        (415, "", "The container answered 415: nothing more"),
    ],
)
def test_what_the_container_refuses_is_the_requests_fault(world, status, said, expected):
    world.fails("ModelError", status=424, OriginalStatusCode=status, OriginalMessage=said)
    assert world.refusal(stage_of()) == (expected, "That is the request's fault: send another one.", LOG)


@pytest.mark.parametrize(
    ("status", "whose"),
    [
        (500, "That is the model's fault, or the server's. Its log has more."),
        (503, "It is overloaded, or still starting. Ask again in a moment."),
        (429, "It is overloaded, or still starting. Ask again in a moment."),
    ],
)
def test_what_the_container_fails_at_is_not(world, status, whose):
    world.fails("ModelError", status=424, OriginalStatusCode=status, OriginalMessage="broken")
    assert world.refusal(stage_of()) == (f"The container answered {status}: broken", whose, LOG)


@pytest.mark.parametrize(("original", "shown"), [("", "Timed out."), ("Gone.", "Gone.")])
def test_a_container_that_does_not_answer_is_said(world, original, shown):
    world.fails("ModelError", "Timed out.", 424, OriginalStatusCode=0, OriginalMessage=original)
    expected = (f"The container did not answer: {shown}", "It took too long, or it died.", LOG)
    assert world.refusal(stage_of()) == expected


def test_long_words_of_a_container_are_cut(world):
    world.fails("ModelError", status=424, OriginalStatusCode=500, OriginalMessage="x" * 2000)
    assert world.refusal(stage_of())[0] == f"The container answered 500: {'x' * 1000}"


def test_an_endpoint_that_is_not_there_is_said(world):
    world.fails("ValidationError", "Endpoint shells of account 123456789012 not found.")
    words = 'Could not find endpoint "shells".'
    world.sagemaker.add_client_error("describe_endpoint", "ValidationException", words, 400)
    assert world.refusal(stage_of()) == ("There is no endpoint shells in us-east-1.", "make deploy STAGE=shells")


def described(status, **more):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/shells"
    now = datetime.now(UTC)
    about = {"EndpointName": "shells", "EndpointArn": arn, "CreationTime": now, "LastModifiedTime": now}
    return {**about, "EndpointStatus": status, **more}


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        (described("Creating"), "Creating."),
        (described("Failed", FailureReason="No ping."), "Failed. No ping."),
    ],
)
def test_an_endpoint_that_is_not_in_service_says_what_it_is(world, about, shown):
    world.fails("ValidationError", "Endpoint shells of account 123456789012 not found.")
    world.sagemaker.add_response("describe_endpoint", about, {"EndpointName": "shells"})
    first, second = world.refusal(stage_of())
    assert first == f"The endpoint shells is not in service: it is {shown}"
    assert second == "make status STAGE=shells"


def test_what_else_sagemaker_refuses_is_in_its_own_words(world):
    world.fails("ValidationError", "Bad header.")
    world.sagemaker.add_response("describe_endpoint", described("InService"))
    assert world.refusal(stage_of()) == ("SageMaker does not pass the request on: Bad header.",)
    world.fails("ValidationError", "Bad header.")
    world.sagemaker.add_client_error("describe_endpoint", "AccessDeniedException", "No.", 400)
    assert world.refusal(stage_of()) == ("SageMaker does not pass the request on: Bad header.",)


def test_a_serverless_endpoint_with_too_much_to_do_names_its_setting(world):
    world.fails("ThrottlingException", "Rate exceeded")
    first, second = world.refusal(stage_of("serverless"))
    assert first == "shells has as much to do as it can: Rate exceeded"
    assert second == "It answers 2 at a time: ask again, or raise serverless.concurrency = 2."


def test_an_endpoint_on_instances_with_too_much_to_do_wants_more_of_them(world):
    world.fails("ThrottlingException", "Rate exceeded")
    expected = "Ask again, or give it more instances: instance.count, or autoscaling.max."
    assert world.refusal(stage_of())[1] == expected


def test_a_serverless_endpoint_that_starts_says_so(world):
    world.fails("ModelNotReadyException", status=429)
    expected = ("shells is starting: a serverless endpoint does, after a pause.", "Ask again in a moment.")
    assert world.refusal(stage_of("serverless")) == expected


def test_a_limit_that_we_do_not_know_is_said(world):
    world.fails("413", "HTTP content length exceeded 6291456 bytes.", 413)
    first, second = world.refusal(stage_of())
    assert first == "SageMaker does not take a request as large as this: HTTP content length exceeded 6291456 bytes."
    assert second == "Send fewer rows at a time."


def test_sagemakers_own_failures_are_nobody_elses(world):
    world.fails("InternalFailure", "Oops.", 500)
    expected = (
        "SageMaker failed (InternalFailure): Oops.",
        "Neither the request nor the model is at fault. Ask again.",
    )
    assert world.refusal(stage_of()) == expected


def test_a_missing_permission_is_named(world):
    world.fails("AccessDeniedException", "No.", 400)
    expected = ("You may not call shells: No.", "It takes sagemaker:InvokeEndpoint on the endpoint.")
    assert world.refusal(stage_of()) == expected


def test_what_is_not_about_the_endpoint_is_left_to_others(world):
    world.fails("ExpiredTokenException", "Expired.")
    with pytest.raises(ClientError, match="Expired"):
        world.invoke(stage_of())


def test_a_call_that_takes_too_long_is_said(world):
    class Slow(io.BytesIO):
        def read(self, *_):
            raise ReadTimeoutError(endpoint_url="https://runtime.example")

    world.runtime.add_response("invoke_endpoint", {"Body": StreamingBody(Slow(), 1)})
    first, second, third = world.refusal(stage_of())
    assert first == "shells did not answer in time; SageMaker itself waits 60 s for the container."
    assert second == "Ask for fewer rows at a time, or use an asynchronous endpoint, whose requests may take an hour."
    assert third == LOG


def test_a_call_is_made_once_and_outlasts_sagemakers_own_limit():
    config = runtime_config()
    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout > 60
    assert runtime_config(3).retries["total_max_attempts"] == 3


# -- asynchronous


def accepts(world, asked=None):
    told = {"InferenceId": "1", "OutputLocation": ANSWER, "FailureLocation": FAILURE}
    world.runtime.add_response("invoke_endpoint_async", told, asked)


def put(world, url, body):
    return lambda: world.s3.put_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"), Body=body)


def test_a_small_request_is_sent_and_its_answer_awaited_in_s3(world):
    accepts(world, {"EndpointName": "shells", "Body": b"1,2", "ContentType": "text/csv"})
    assert world.invoke(stage_of("asynchronous"), time=Time(130, put(world, ANSWER, b"7.2"))) == b"7.2"
    assert world.said == [
        f"- shells accepted the request; its answer will be {ANSWER}",
        "- 1:00 no answer yet",
        "- 2:00 no answer yet",
    ]


def test_a_large_request_goes_to_s3_first(world):
    put(world, ANSWER, b"7.2")()
    accepts(world, {"EndpointName": "shells", "InputLocation": ANY, "ContentType": "application/x-npy"})
    assert world.invoke(stage_of("asynchronous"), Request(bytes(128_001), "application/x-npy")) == b"7.2"
    (place,) = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=PLACE)["Contents"]
    there = world.s3.get_object(Bucket=BUCKET, Key=place["Key"])
    assert (there["ContentLength"], there["ContentType"]) == (128_001, "application/x-npy")
    assert world.said[0] == f"- put the request at s3://{BUCKET}/{place['Key']}"


def test_the_largest_request_that_may_be_sent_is_sent(world):
    put(world, ANSWER, b"7.2")()
    body = bytes(128_000)
    accepts(world, {"EndpointName": "shells", "Body": body, "ContentType": "text/csv"})
    assert world.invoke(stage_of("asynchronous"), Request(body, "text/csv")) == b"7.2"


@pytest.mark.parametrize(
    ("failure", "shown"),
    [(OUR_ERROR, "Row 1 has 3 columns. (bad_request, request r-1)"), ("It timed out.", "It timed out.")],
)
def test_a_failure_in_s3_is_why_there_is_no_answer(world, failure, shown):
    accepts(world)
    lines = world.refusal(stage_of("asynchronous"), time=Time(4, put(world, FAILURE, failure.encode())))
    assert lines == (f"shells has no answer: {shown}", f"The failure in full: {FAILURE}", LOG)


def test_patience_ends_with_where_to_look_later(world):
    accepts(world)
    lines = world.refusal(stage_of("asynchronous"), patience=MINUTE)
    later = f"It may still; look there later: aws s3 cp {ANSWER} -"
    assert lines == ("shells has not answered in 1:00.", later, LOG)


def test_an_endpoint_that_may_have_had_no_instance_says_so(world):
    accepts(world)
    stage = stage_of("asynchronous", autoscaling={"min": 0, "max": 2})
    expected = "shells has not answered in 1:00. It may have had no instance: one takes some minutes to start."
    assert world.refusal(stage, patience=MINUTE)[0] == expected


def test_a_request_that_cannot_be_put_into_s3_is_said(world):
    world.s3.delete_bucket(Bucket=BUCKET)
    (line,) = world.refusal(stage_of("asynchronous"), Request(bytes(128_001), "text/csv"))
    assert line.startswith(f"The request cannot be put at s3://{BUCKET}/{PLACE}")
    assert line.endswith(": The specified bucket does not exist")


class Enormous(bytes):
    """A body that says it has more than a gigabyte."""

    def __len__(self):
        return (1 << 30) + 1


def test_more_than_a_gigabyte_is_not_sent(world):
    first, second = world.refusal(stage_of("asynchronous"), Request(Enormous(), "text/csv"))
    assert first == "The request has 1.0 GB; an asynchronous endpoint takes 1.0 GB."
    assert second == "Send fewer rows at a time, or use a transform job."


def test_an_asynchronous_endpoint_that_is_not_there_is_said(world):
    world.runtime.add_client_error("invoke_endpoint_async", "ValidationError", "Not found.", 400)
    words = 'Could not find endpoint "shells".'
    world.sagemaker.add_client_error("describe_endpoint", "ValidationException", words, 400)
    assert world.refusal(stage_of("asynchronous"))[0] == "There is no endpoint shells in us-east-1."


# -- the request


def test_without_a_body_the_models_own_sample_is_sent():
    request = request_of(stage_of(model="models/abalone"), accept="text/csv")
    assert request == Request((MODELS / "abalone" / "samples" / "one_row.csv").read_bytes(), "text/csv", "text/csv")


def test_a_pipeline_is_sent_what_its_first_container_takes():
    containers = [
        {"name": name, "image": URI, "model": f"models/abalone_{name}"} for name in ("featurizer", "predictor")
    ]
    content = {"kind": "pipeline", "owner": "me", "instance": {"type": "ml.m5.large"}, "containers": containers}
    sample = first_sample(MODELS / "abalone_featurizer")
    assert request_of(parse_stage("p", content, "p.toml")).body == sample.read_bytes()


def test_a_file_is_sent_as_what_its_name_says_or_as_one_says(tmp_path):
    file = folder(tmp_path, {"rows.jsonl": "[1]"}) / "rows.jsonl"
    assert request_of(stage_of(), file) == Request(b"[1]", "application/jsonlines")
    assert request_of(stage_of(), file, "text/plain") == Request(b"[1]", "text/plain")


@pytest.mark.parametrize(("settings", "where"), [({}, "in its image"), ({"model": "s3://mine/model.tar.gz"}, "in S3")])
def test_a_model_that_is_not_here_has_no_sample_here(settings, where):
    with pytest.raises(Refused) as caught:
        request_of(stage_of(**settings))
    first, second = caught.value.lines
    assert first == f"The model of shells is {where}, and its samples with it."
    assert second == "Name a request: BODY=FILE"


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(Refused) as caught:
        request_of(stage_of(), tmp_path / "rows.csv")
    assert str(caught.value) == f"{tmp_path / 'rows.csv'} cannot be read: No such file or directory."


def test_one_row_is_shown_before_other_samples(tmp_path):
    root = folder(tmp_path, {"samples/a.csv": "", "samples/one_row.expected.csv": "", "samples/one_row.json": ""})
    assert first_sample(root).name == "one_row.json"
    (root / "samples" / "one_row.json").unlink()
    assert first_sample(root).name == "a.csv"


def test_a_model_without_samples_says_where_one_belongs(tmp_path):
    with pytest.raises(Refused) as caught:
        first_sample(folder(tmp_path, {"samples/notes.md": ""}))
    assert caught.value.lines == (
        f"The model has no sample request: looked in {tmp_path / 'samples'}.",
        "Put one there, such as one_row.csv.",
    )


def test_a_file_of_an_unknown_type_says_how_to_name_it(tmp_path):
    with pytest.raises(Refused) as caught:
        content_type_of(tmp_path / "picture.png")
    first, second = caught.value.lines
    assert first == f"No media type is known for {tmp_path / 'picture.png'}."
    assert second == "Name it: CONTENT_TYPE=…"
