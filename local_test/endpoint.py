#!/usr/bin/env python3
"""Put a local SageMaker runtime endpoint in front of running containers, for boto3, the AWS CLI and the SDK."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from runtime.app import Runtime, create_app
from runtime.asynchronous import AsyncInvocations, Outputs
from runtime.endpoints import Endpoint, parse_endpoint
from runtime.limits import MB, Limits
from runtime.s3 import StoreError, connect, parse_location
from runtime.server import listen, serve, termination
from runtime.upstream import listens

EXAMPLES = """
examples:
  endpoint.py abalone=8080
      one endpoint, in front of the container on port 8080

  endpoint.py abalone=8080 rings=8081,8082
      two endpoints; `rings` is a serial pipeline of two containers

  endpoint.py abalone=8080 --serverless
      with the limits of a serverless endpoint

  AWS_ENDPOINT_URL_S3=http://127.0.0.1:5000 endpoint.py abalone=8080 --async-output s3://bucket/answers
      asynchronous invocations too, with a local S3

Then, where the client runs:
  export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=http://localhost:8090
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the endpoints of the command line until SIGTERM or Ctrl-C."""
    options = parse(arguments)
    try:
        listener = listen(options.port)
        asynchronous = asynchronous_of(options)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return cannot_start(f"port {options.port} cannot be listened on: {reason}. Choose another: --port NUMBER.")
    except StoreError as error:
        return cannot_start(f"{error}.")
    except KeyboardInterrupt:
        return cannot_start("ended before it served anything.")
    port = listener.getsockname()[1]
    endpoints = {endpoint.name: endpoint for endpoint in options.endpoints}
    told = termination()  # until now both signals end the program by themselves
    server = serve(listener, create_app(Runtime(endpoints, options.limits, log, asynchronous)))
    announce(options, port)
    told.wait()
    server.shutdown()
    unfinished = asynchronous.unfinished if asynchronous else 0
    say(f"ended; {unfinished} asynchronous invocations were not finished." if unfinished else "ended.")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, with `limits` made of them."""
    parser = arguments_parser()
    options = parser.parse_args(arguments)
    names = [endpoint.name for endpoint in options.endpoints]
    if twice := {name for name in names if names.count(name) > 1}:
        parser.error(f"there are several endpoints of the name {', '.join(sorted(twice))}")
    pipelines = [endpoint.name for endpoint in options.endpoints if endpoint.is_pipeline]
    if options.serverless and pipelines:
        parser.error(f"SageMaker has no serverless pipelines, and {', '.join(pipelines)} is a pipeline")
    if options.serverless and options.async_output:
        parser.error("SageMaker has no asynchronous serverless endpoints: leave out --serverless or --async-output")
    if options.async_failure and not options.async_output:
        parser.error("--async-failure needs --async-output")
    options.limits = limits_of(options)
    return options


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("endpoint.py", description=__doc__, epilog=EXAMPLES, formatter_class=form)
    add = parser.add_argument
    add("endpoints", nargs="+", type=parse_endpoint, metavar="NAME=[HOST:]PORT[,[HOST:]PORT...]",
        help="an endpoint and its container; several containers are a serial pipeline")  # fmt: skip
    add("--port", type=port_number, default=8090, help="where to listen (default: 8090; 0 is any free port)")
    add("--seconds", type=positive, default=60, help="how long an answer may take (default: 60)")
    add("--stream-seconds", type=positive, default=480, help="how long a streamed one may take (default: 480)")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--payload-mb", type=positive, default=25, help="the largest request body (default: 25)")
    sizes.add_argument("--serverless", action="store_true", help="limits of a serverless endpoint: 4 MB both ways")
    sizes.add_argument("--no-limits", action="store_true", help="no limits of size, also between containers")
    add("--async-output", type=parse_location, metavar="S3_URI", help="where answers to async invocations go")
    add("--async-failure", type=parse_location, metavar="S3_URI", help="where their failures go")
    return parser


def port_number(text: str) -> int:
    """Read --port."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number up to 65535 was expected")
    return int(text)


def positive(text: str) -> float:
    """Read a number of seconds or megabytes."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the limits that were chosen."""
    if options.serverless:
        return Limits.serverless(options.seconds, options.stream_seconds)
    if options.no_limits:
        return Limits.unlimited(options.seconds, options.stream_seconds)
    return Limits(options.seconds, options.stream_seconds, request_bytes=int(options.payload_mb * MB))


def asynchronous_of(options: argparse.Namespace) -> AsyncInvocations | None:
    """Return what carries out asynchronous invocations, if there is a place for their answers."""
    if options.async_output is None:
        return None
    store = connect()
    for location in filter(None, (options.async_output, options.async_failure)):
        store.require_bucket(location)
    return AsyncInvocations(store, Outputs(options.async_output, options.async_failure), options.limits, log)


def announce(options: argparse.Namespace, port: int) -> None:
    """Say what is served, what is missing, and what to paste."""
    for endpoint in options.endpoints:
        say(str(endpoint))
        warn_of_absence(endpoint)
    say("where the client runs:")
    say(f"  export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=http://localhost:{port}")
    say(f"ready on http://localhost:{port}; Ctrl-C ends it.")


def warn_of_absence(endpoint: Endpoint) -> None:
    """Say which containers are not there yet."""
    for container in endpoint.containers:
        if not listens(container):
            say(f"warning: nothing listens at {container} yet; until it does, callers of {endpoint.name} get an error.")


def cannot_start(reason: str) -> int:
    """Say why, and return the exit status."""
    say(reason)
    return 1


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"endpoint.py: {line}\n")
    sys.stderr.flush()


def log(line: str) -> None:
    """Write a line with the time of day."""
    say(f"{time.strftime('%H:%M:%S')} {line}")


if __name__ == "__main__":
    sys.exit(main())
