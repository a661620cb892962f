"""The Lambda function: every end that a request can have, through a real boto3 client and real containers."""

import ast
import json
import math
import os
import subprocess
import sys
import threading

import pytest
from botocore.stub import Stubber
from function import Function, event
from scripted import answers, cuts, echo, waits

from deploy.api import handler
from deploy.api.settings import LAMBDA_SECONDS, parse_api
from deploy.api.template import CODE, render
from ports import free_port
from runtime.limits import Limits
from sample_stages import ACCOUNT, stage_of
from server import until

TEXT, JSON = "text/plain", "application/json"
NICE, NASTY = "I loved it: <br />a wonderful film!", "A boring, stupid waste of time."
OURS = '{"error": {"code": "unprocessable", "message": "The body is an empty review.", "request_id": "1"}}'
BUSY = "The model is busy. Try again in 5 seconds."
TOO_SLOW = "The model took too long to answer."
FAILED = "The model failed. This is no fault of your request."
BROKEN = "Something went wrong here, not in your request."


@pytest.fixture(scope="module")
def echoing(container):
    """A container that answers with what it is sent."""
    return container(echo)


# -- answers


@pytest.mark.nginx
def test_a_review_gets_its_sentiment_from_the_model(movies, function):
    demo = function(movies.port)
    (liked, nice), (disliked, nasty) = demo.ask(NICE), demo.ask(NASTY)
    assert (liked, disliked) == (200, 200)
    assert {nice["msg"], nasty["msg"]} == {"Request successful."}
    assert (nice["body"]["sentiment"], nasty["body"]["sentiment"]) == ("positive", "negative")
    assert 0.5 <= nice["body"]["probability"] <= 1


@pytest.mark.nginx
def test_what_the_real_model_refuses_is_told_in_its_own_words(movies, function):
    status, said = function(movies.port).ask('{"inputs": ["x"]}', JSON)
    assert (status, said["msg"]) == (
        400,
        'The body is no object with a text under "review". Send {"review": "<text>"}.',
    )


@pytest.mark.nginx
def test_json_in_predictions_out_as_the_source_has_it(transformer, function):
    sentences = '{"inputs": ["I love dogs.", "I am not fond of cats though."]}'
    assert function(transformer.port).ask(sentences, JSON) == (
        200,
        {"msg": "Request successful.", "body": {"predictions": ["POSITIVE", "NEGATIVE"]}},
    )


def test_json_is_handed_on_as_it_is(echoing, function):
    sentences = '{"inputs": ["I love dogs."],  "more": 1}'
    function(echoing.port).ask(sentences, JSON)
    asked = echoing.requests[-1]
    assert (asked.headers["Content-Type"], asked.headers["Accept"], asked.body) == (JSON, JSON, sentences.encode())


def test_a_body_in_base64_is_decoded(echoing, function):
    """What the HTTP API does not know as text comes so; the source handed the base64 itself to the model."""
    assert function(echoing.port).ask('{"inputs": ["schön"]}'.encode(), JSON)[1]["body"] == {"inputs": ["schön"]}


def test_the_model_gets_the_text_untouched(echoing, function):
    """No bag of words in Lambda: tags, capitals and punctuation are the container's to handle."""
    function(echoing.port).ask(NICE)
    assert echoing.requests[-1].body == NICE.encode()


def test_the_model_is_told_the_requests_name(echoing, function):
    function(echoing.port).ask(NICE)
    assert echoing.requests[-1].headers["X-Amzn-SageMaker-Inference-Id"] == "abc="


def test_an_answer_is_json_that_nobody_keeps(echoing, function):
    headers = function(echoing.port)(event('{"inputs": "x"}', JSON))["headers"]
    assert headers == {"content-type": JSON, "cache-control": "no-store", "x-content-type-options": "nosniff"}


def test_the_function_says_nothing_of_origins():
    """Which page may read an answer is the API's setting; the source said `*` in its code."""
    assert "access-control" not in CODE.read_text().lower()
    assert "*" not in [node.value for node in ast.walk(ast.parse(CODE.read_text())) if isinstance(node, ast.Constant)]


# -- requests that no model could answer


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (None, TEXT, 400, "The request is empty: there is no text in it."),
        (" \n", TEXT, 400, "The request is empty: there is no text in it."),
        (b"\xff\xfe", JSON, 400, "The request is not UTF-8."),
        ("{", JSON, 400, "The request is not JSON."),
        ("[" * 30_000, JSON, 400, "The request is not JSON."),
        ("[]", JSON, 422, '{"inputs": ["a text", "another"]} was expected.'),
        ('{"inputs": []}', JSON, 422, '{"inputs": ["a text", "another"]} was expected.'),
        ('{"inputs": ["a", 1]}', JSON, 422, '{"inputs": ["a text", "another"]} was expected.'),
        ('{"inputs": [" "]}', JSON, 422, '{"inputs": ["a text", "another"]} was expected.'),
        ('{"texts": ["a"]}', JSON, 422, '{"inputs": ["a text", "another"]} was expected.'),
        ("a", None, 415, "Content-Type is missing: text/plain or application/json in UTF-8 was expected."),
        ("a", "text/csv", 415, "Content-Type is text/csv: text/plain or application/json in UTF-8 was expected."),
        (
            "a",
            "text/plain; charset=latin-1",
            415,
            "Content-Type is text/plain; charset=latin-1: text/plain or application/json in UTF-8 was expected.",
        ),
        ("a" * 32_769, TEXT, 413, "The request has 32,769 bytes, and 32,768 is the most."),
        (b"a" * 32_769, JSON, 413, "The request has 32,769 bytes, and 32,768 is the most."),
        ("ä" * 16_385, TEXT, 413, "The request has 32,770 bytes, and 32,768 is the most."),
    ],
)
def test_a_bad_request_is_refused_before_the_model_is_asked(echoing, function, body, content_type, status, said):
    before = len(echoing.requests)
    assert function(echoing.port).ask(body, content_type) == (status, {"msg": said})
    assert len(echoing.requests) == before


def test_base64_that_is_none_is_refused(function):
    broken = {**event(b"x", JSON), "body": "not base64!"}
    answer = function(free_port())(broken)
    assert (answer["statusCode"], json.loads(answer["body"])) == (
        400,
        {"msg": "The request's body could not be decoded."},
    )


@pytest.mark.parametrize("header", ["TEXT/PLAIN", 'text/plain; charset="UTF-8"', "text/plain;charset=us-ascii"])
def test_a_media_type_is_read_and_not_compared(container, function, header):
    model = container(answers(200, b"1", Content_Type=JSON))
    assert function(model.port).ask("a", header) == (200, {"msg": "Request successful.", "body": 1})


def test_an_api_may_take_one_media_type_only_and_another_key(echoing, function):
    demo = function(echoing.port, accepts=[JSON], json_key="sentiment")
    assert demo.ask("a")[1] == {
        "msg": "Content-Type is text/plain; charset=utf-8: application/json in UTF-8 was expected."
    }
    assert demo.ask('{"sentiment": "güzel"}', JSON)[1]["body"] == {"sentiment": "güzel"}


# -- what the model, or SageMaker, refuses


@pytest.mark.parametrize(
    ("model", "body", "status", "said"),
    [
        (400, OURS, 400, "The body is an empty review."),
        (422, OURS, 422, "The body is an empty review."),
        (422, OURS.replace("empty", "e" * 400), 422, "The body is an " + "e" * 285),
        (400, "<html>Bad Request</html>", 400, "The model cannot read the request."),
        (413, "[]", 413, "The request is too long for the model."),
        (415, '{"error": "no"}', 415, "The model does not take requests of this media type."),
        (422, "", 422, "The model cannot make sense of the request."),
        (429, OURS, 503, BUSY),
        (503, OURS, 503, BUSY),
        (504, OURS, 504, TOO_SLOW),
        (500, 'Traceback: the password is "x"', 502, FAILED),
        (404, OURS, 502, FAILED),
        (200, "not JSON", 502, FAILED),
        (200, '{"probability": NaN}', 502, FAILED),
        (200, '{"probability": 1e999}', 502, FAILED),
        (200, "[" * 100_000, 502, FAILED),
    ],
)
def test_every_error_of_the_model_has_its_answer(container, function, model, body, status, said):
    asked = container(answers(model, body.encode(), Content_Type=JSON))
    demo = function(asked.port)
    answer = demo(event(NICE))
    assert (answer["statusCode"], json.loads(answer["body"])) == (status, {"msg": said})
    assert answer["headers"].get("retry-after") == ("5" if status == 503 else None)
    assert len(asked.requests) == 1  # what the model said once it would say again
    assert demo.logged()["cause"] == (
        "the model's answer is not JSON" if model == 200 else f"the model answered {model}"
    )


def test_a_container_that_is_not_there_is_no_fault_of_the_request(function):
    assert function(free_port()).ask(NICE) == (502, {"msg": FAILED})


def test_a_container_that_hangs_up_is_no_fault_of_the_request(container, function):
    assert function(container(cuts).port).ask(NICE) == (502, {"msg": FAILED})


def test_a_model_that_takes_too_long_is_not_waited_for(container, function):
    gate = threading.Event()
    slow = container(waits(gate))
    demo = function(slow.port, attempts=2, read_seconds=0.2)
    try:
        assert demo.ask(NICE) == (504, {"msg": TOO_SLOW})
        until(lambda: len(slow.requests) == 2, "both attempts")
        assert demo.logged()["cause"] == "ReadTimeoutError"
    finally:
        gate.set()


def test_sagemakers_own_patience_is_a_timeout_too(container, function):
    gate = threading.Event()
    try:
        assert function(container(waits(gate)).port, Limits(seconds=0.2)).ask(NICE) == (504, {"msg": TOO_SLOW})
    finally:
        gate.set()


def test_a_serverless_endpoint_that_still_starts_is_busy(container, function):
    starting = container(echo, ping=503)
    demo = function(starting.port, Limits.serverless(60, 60), attempts=1)
    assert demo.ask(NICE) == (503, {"msg": BUSY})
    assert demo.logged()["cause"] == "ModelNotReadyException"


@pytest.mark.parametrize(
    ("code", "http", "status", "said"),
    [
        ("ThrottlingException", 400, 503, BUSY),
        ("ServiceUnavailable", 503, 503, BUSY),
        ("InternalDependencyException", 530, 503, BUSY),
        ("413", 413, 413, "The request is too long for the model."),
        ("AccessDeniedException", 403, 500, BROKEN),
        ("InternalFailure", 500, 500, BROKEN),
    ],
)
def test_every_error_of_sagemaker_has_its_answer_and_its_code_is_for_the_log(code, http, status, said):
    demo = Function("http://127.0.0.1:1", endpoint=f"of-{code}-{http}")
    with Stubber(demo.client) as stubber:
        stubber.add_client_error(
            "invoke_endpoint", code, "arn:aws:iam::123456789012:role/secret", http_status_code=http
        )
        assert demo.ask(NICE) == (status, {"msg": said})
    assert demo.logged()["cause"] == code


def test_an_endpoint_that_is_not_there_is_a_fault_here_and_no_detail_leaks(runtime):
    demo = Function(runtime(free_port()), endpoint="elsewhere")
    assert demo.ask(NICE) == (500, {"msg": BROKEN})
    assert demo.logged() == {**demo.logged(), "endpoint": "elsewhere", "cause": "ValidationError", "status": 500}


def test_a_runtime_that_cannot_be_reached_is_told_so():
    demo = Function(f"http://127.0.0.1:{free_port()}", attempts=1)
    assert demo.ask(NICE) == (502, {"msg": "The model cannot be reached."})
    assert demo.logged()["cause"] == "EndpointConnectionError"


def test_what_nobody_thought_of_is_a_fault_here(echoing, function):
    answer = function(echoing.port)({"headers": None})
    assert (answer["statusCode"], json.loads(answer["body"])) == (500, {"msg": BROKEN})


# -- the log


@pytest.mark.parametrize(("text", "status"), [(NICE, 502), ("{secret", 400), ("\ud800 secret", 502)])
def test_a_request_is_one_line_of_json_without_its_text(function, text, status):
    demo = function(free_port())
    assert demo.ask(text, TEXT if status == 502 else JSON)[0] == status
    line = demo.logged()
    assert set(line) == {"request_id", "endpoint", "status", "cause", "ms", "characters"}
    assert (line["request_id"], line["status"], line["characters"]) == ("abc=", status, len(text))
    assert "secret" not in demo.said[0]
    assert "wonderful" not in demo.said[0]


# -- time


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 26.9), (2, 12), (3, 7.3), (4, 4)])
def test_all_attempts_are_over_before_lambdas_own_time_is(attempts, seconds):
    api = parse_api({"origin": "http://localhost:1", "attempts": attempts, "read_seconds": seconds}, "x")
    config = handler.connect(handler.Settings.read(api.environment("x")), region_name="eu-west-1").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": attempts}
    pauses = sum(math.pow(2, number) for number in range(attempts - 1))
    # Reading the request and making the answer take their time too.
    assert attempts * (config.connect_timeout + config.read_timeout) + pauses < LAMBDA_SECONDS - 1


# -- as it is in Lambda


def test_the_code_in_the_template_runs_by_itself_with_the_environment_that_is_there(echoing, runtime, tmp_path):
    """Nothing of this repository is on its path, and boto3 is all that it imports."""
    stage = stage_of("serverless", name="x")
    made = render(stage, parse_api({"origin": "http://localhost:1"}, "x"), ACCOUNT)["Resources"]["Function"][
        "Properties"
    ]
    (tmp_path / "index.py").write_text(made["Code"]["ZipFile"])
    asked = event('{"inputs": "x"}', JSON)
    script = f"""
import index, json
made = index.connect.cache_info().misses
print(json.dumps(index.handler({asked!r}, None)))
print(json.dumps([made, index.connect.cache_info().misses]))
"""
    outside = {
        "AWS_LAMBDA_FUNCTION_NAME": "x-api",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime(echoing.port),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "PATH": os.environ["PATH"],
    }
    environ = {**outside, **made["Environment"]["Variables"]}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    line, answer, clients = map(json.loads, ran.stdout.splitlines())
    assert (line["status"], line["endpoint"]) == (200, "x")
    assert json.loads(answer["body"]) == {"msg": "Request successful.", "body": {"inputs": "x"}}
    assert clients == [1, 1]  # made before the first request, whose seconds are counted


def test_the_function_needs_boto3_and_nothing_else():
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(CODE.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - set(sys.stdlib_module_names) == {"boto3", "botocore"}
    assert len(CODE.read_text().splitlines()) < 200
