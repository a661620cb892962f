"""The Lambda function as the tests call it: its settings as the template writes them, its client boto3's own."""

import base64
import json
from typing import Any

from deploy.api import handler
from deploy.api.settings import parse_api

ORIGIN = "https://reviews.example.com"
NOBODY = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "eu-west-1"}


def event(body: bytes | str | None, content_type: str | None = "text/plain; charset=utf-8") -> dict[str, Any]:
    """Return an event of the HTTP API; bytes are sent as it sends what is not text."""
    headers = {} if content_type is None else {"content-type": content_type}
    encoded = isinstance(body, bytes)
    sent = {} if body is None else {"body": base64.b64encode(body).decode() if encoded else body}
    return {
        "version": "2.0",
        "headers": headers,
        "requestContext": {"requestId": "abc="},
        **sent,
        "isBase64Encoded": encoded,
    }


class Function:
    """The function of one API; it keeps what it logs."""

    def __init__(self, url: str, endpoint: str = "x", credentials: Any = NOBODY, **settings: Any):
        api = parse_api({"origin": ORIGIN, **settings}, "the API")
        self.settings = handler.Settings.read(api.environment(endpoint))
        self.client = handler.connect(self.settings, endpoint_url=url, **credentials)
        self.said: list[str] = []

    def __call__(self, event: Any) -> dict[str, Any]:
        return handler.answer(event, self.settings, self.client, self.said.append)

    def ask(self, body: Any, *content_type: str | None) -> tuple[int, Any]:
        """Return the status and what the answer says."""
        answer = self(event(body, *content_type))
        return answer["statusCode"], json.loads(answer["body"])

    def logged(self) -> dict[str, Any]:
        """Return the one line that was written."""
        (line,) = self.said
        return json.loads(line)
