#!/usr/bin/env python3
"""Serve the page of deploy/api and, beside it, its API: the Lambda function in front of a local runtime endpoint."""

import argparse
import mimetypes
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flask import Flask, Response, abort

from deploy.api import handler
from deploy.api.page import files_for
from deploy.api.settings import Api, parse_api
from deploy.errors import Refused
from http_api import create_app
from runtime.server import listen, serve, termination

PATH = "/demo"
# Of nobody: the local runtime asks nobody who they are, but boto3 signs what it sends.
NOBODY = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve both until SIGTERM or Ctrl-C."""
    options = parse(arguments)
    try:
        api = api_of(options)
    except Refused as refused:
        return cannot_start("\n  ".join(refused.lines))
    function = function_of(api, options.endpoint, options.runtime)
    files = files_for(f"http://localhost:{options.api_port}{PATH}")
    try:
        page, demo = listen(options.port), listen(options.api_port)
    except OSError as error:
        return cannot_start(f"a port cannot be listened on: {os.strerror(error.errno or 0)}. Choose others.")
    told = termination()  # until now both signals end the program by themselves
    servers = [serve(page, page_app(files)), serve(demo, create_app(api, function, say))]
    say(f"ready on http://localhost:{options.port}")
    told.wait()
    for server in servers:
        server.shutdown()
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser("page.py", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8000, help="where the page is (default: 8000)")
    add("--api-port", type=int, default=8001, help=f"where its API is, at {PATH} (default: 8001)")
    add("--runtime", default="http://localhost:8002", help="where `endpoint.py` is (default: http://localhost:8002)")
    add("--endpoint", required=True, help="the endpoint's name there")
    add("--settings", type=Path, help="a file of deploy/apis, whose limits are kept here too")
    return parser.parse_args(arguments)


def api_of(options: argparse.Namespace) -> Api:
    """Return the API's settings, with the page on this machine in place of the page's origin."""
    content = content_of(options.settings) if options.settings else {}
    return parse_api({**content, "origin": f"http://localhost:{options.port}"}, str(options.settings or "the API"))


def content_of(settings: Path) -> Mapping[str, object]:
    """Return what the file says; raise `Refused` if it says nothing."""
    try:
        return tomllib.loads(settings.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{settings} cannot be read: {os.strerror(error.errno or 0)}.") from None
    except ValueError as error:
        raise Refused(f"{settings} is not TOML: {error}.") from None


def function_of(api: Api, endpoint: str, runtime: str) -> Callable[[Mapping[str, object]], handler.Answer]:
    """Return the Lambda function, its environment as the template writes it, its client a real one."""
    settings = handler.Settings.read(api.environment(endpoint))
    client = handler.connect(settings, endpoint_url=runtime, **NOBODY)
    return lambda event: handler.answer(event, settings, client, say)


def page_app(files: Mapping[str, bytes]) -> Flask:
    """Return the page as a static web server has it."""
    app = Flask(__name__, static_folder=None)

    def static(name: str) -> Response:
        if name not in files:
            abort(404)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], mimetype=media_type, headers={"X-Content-Type-Options": "nosniff"})

    app.add_url_rule("/", "index", lambda: static("index.html"))
    app.add_url_rule("/<name>", "file", static)
    return app


def cannot_start(reason: str) -> int:
    """Say why, and return the exit status."""
    say(reason)
    return 1


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"page.py: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
