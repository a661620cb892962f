"""`endpoint.py` from the outside: what it says, when it refuses to start, how it ends."""

import re
import signal
import socket
from argparse import ArgumentTypeError

import pytest
from invoking import invoke
from scripted import echo

from ports import free_port
from runtime.endpoints import parse_endpoint
from server import ROOT, until

PAGE = ROOT / "docs" / "local-endpoint.md"
AWS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "eu-west-1"}


def test_it_says_what_it_serves_and_what_to_paste(container, program, connect):
    first, second = container(echo), container(echo)
    running = program("--port", "0", f"one={first.port}", f"both={first.port},127.0.0.1:{second.port}")
    port = running.wait_until_ready()
    assert running.said().splitlines() == [
        f"endpoint.py: one: localhost:{first.port}",
        f"endpoint.py: both: localhost:{first.port} -> 127.0.0.1:{second.port}",
        "endpoint.py: where the client runs:",
        f"endpoint.py:   export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=http://localhost:{port}",
        f"endpoint.py: ready on http://localhost:{port}; Ctrl-C ends it.",
    ]
    assert invoke(connect(port), name="both")["Body"] == b"1"
    assert re.search(r"endpoint.py: \d\d:\d\d:\d\d both/invocations 200 1 B in, 1 B out, \d+ ms\n", running.said())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_it_is_told_to(container, program, number):
    running = program("--port", "0", f"x={container(echo).port}")
    running.wait_until_ready()
    running.process.send_signal(number)
    assert running.process.wait(60) == 0
    assert running.said().endswith("endpoint.py: ended.\n")


def test_a_container_that_is_not_there_yet_is_only_a_warning(program):
    port = free_port()
    running = program("--port", "0", f"x={port}")
    running.wait_until_ready()
    warning = f"warning: nothing listens at localhost:{port} yet; until it does, callers of x get an error."
    assert warning in running.said()


def test_a_port_that_is_taken_is_named(program):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = program("--port", str(port), "x=8080")
        assert running.process.wait(60) == 1
    assert running.said() == (
        f"endpoint.py: port {port} cannot be listened on: Address already in use. Choose another: --port NUMBER.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x=8080", "x=8081"], "there are several endpoints of the name x"),
        (["x=1,2", "--serverless"], "SageMaker has no serverless pipelines, and x is a pipeline"),
        (["x=1", "--serverless", "--async-output", "s3://b/p"], "SageMaker has no asynchronous serverless endpoints"),
        (["x=1", "--async-failure", "s3://b/p"], "--async-failure needs --async-output"),
        (["x=1", "--async-output", "bucket"], "'bucket' is no S3 location: s3://bucket/key was expected"),
        (["x=1", "--port", "99999"], "'99999' is no port: a number up to 65535 was expected"),
        (["x=1", "--seconds", "0"], "'0' is not a number above 0"),
        (["x=1", "--stream-seconds", "soon"], "'soon' is not a number above 0"),
        (["x=1", "--payload-mb", "5", "--no-limits"], "not allowed with argument --payload-mb"),
        (["x=1", "--serverless", "--no-limits"], "not allowed with argument --serverless"),
        (["8080"], "an endpoint looks like NAME=PORT or NAME=HOST:PORT,HOST:PORT, not like '8080'"),
        ([], "the following arguments are required"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(program, arguments, message):
    running = program(*arguments)
    assert running.process.wait(60) == 2
    assert message in running.said()


@pytest.mark.parametrize("name", ["abalone_featurizer", "-x", "x-", "", "x" * 64, "ä"])
def test_a_name_that_sagemaker_would_not_take_is_refused(name):
    with pytest.raises(ArgumentTypeError, match="cannot name an endpoint: SageMaker takes up to 63 letters"):
        parse_endpoint(f"{name}=8080")


@pytest.mark.parametrize(
    "address", ["", "0", "65536", "localhost:", "a:b:1", "http://localhost:8080", "8080,", "8080 8081"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ArgumentTypeError, match="is no address of a container: a port such as 8080, or HOST:PORT"):
        parse_endpoint(f"x={address}")


def test_a_pipeline_has_at_most_fifteen_containers():
    assert len(parse_endpoint(f"x={','.join(['1'] * 15)}").containers) == 15
    with pytest.raises(ArgumentTypeError, match="x has 16 containers; a pipeline has at most 15"):
        parse_endpoint(f"x={','.join(['1'] * 16)}")


def test_the_limits_of_the_command_line_are_kept(container, program, connect):
    running = program("--port", "0", "--payload-mb", "0.001", f"x={container(echo).port}")
    client = connect(running.wait_until_ready())
    assert len(invoke(client, bytes(1048))["Body"]) == 1048
    with pytest.raises(client.exceptions.ClientError, match="HTTP content length exceeded 1048 bytes"):
        client.invoke_endpoint(EndpointName="x", Body=bytes(1049))


def test_asynchronous_invocations_use_the_s3_of_the_environment(s3, s3_url, container, program, connect):
    uri = "s3://predictions/program"
    arguments = ("--port", "0", f"x={container(echo).port}", "--async-output", uri, "--async-failure", uri)
    client = connect(program(*arguments, **AWS, AWS_ENDPOINT_URL_S3=s3_url).wait_until_ready())
    answer = client.invoke_endpoint_async(EndpointName="x", Body=b"1", InferenceId="id-1")
    assert answer["OutputLocation"] == f"{uri}/id-1.out"
    until(lambda: s3.list_objects_v2(Bucket="predictions", Prefix="program/id-1.out")["KeyCount"], "the answer")


def test_a_bucket_that_is_not_there_ends_the_start(s3_url, program):
    running = program(
        "--port", "0", "x=1", "--async-output", "s3://no-such-bucket/p", **AWS, AWS_ENDPOINT_URL_S3=s3_url
    )
    assert running.process.wait(60) == 1
    assert "endpoint.py: could not find the bucket no-such-bucket: " in running.said()


def test_without_boto3_it_serves_and_only_asynchronous_invocations_say_what_is_missing(container, program, tmp_path):
    (tmp_path / "boto3.py").write_text("raise ImportError")
    without = {"PYTHONPATH": str(tmp_path)}
    running = program("--port", "0", "x=1", "--async-output", "s3://b/p", **without)
    assert running.process.wait(60) == 1
    assert "boto3 is not installed, and asynchronous invocations need it for S3; " in running.said()
    program("--port", "0", f"x={container(echo).port}", **without).wait_until_ready()


def test_what_was_not_finished_is_counted_at_the_end(s3, s3_url, program, connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        arguments = ("--port", "0", f"x={silent.getsockname()[1]}", "--async-output", "s3://predictions/p")
        running = program(*arguments, **AWS, AWS_ENDPOINT_URL_S3=s3_url)
        connect(running.wait_until_ready()).invoke_endpoint_async(EndpointName="x", Body=b"1")
        running.process.terminate()
        assert running.process.wait(60) == 0
    assert running.said().endswith("endpoint.py: ended; 1 asynchronous invocations were not finished.\n")


def test_the_page_has_every_option_of_the_help(program):
    running = program("--help")
    assert running.process.wait(60) == 0
    options = set(re.findall(r"--[a-z-]+", running.said())) - {"--help"}
    assert options == {option for option in options if f"`{option}" in PAGE.read_text()}
    assert "examples:" in running.said()
