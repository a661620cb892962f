"""Shorthands for boto3's calls. A body that is never read keeps its connection, so all of them are."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def invoke(client: Any, body: bytes = b"1", name: str = "x", **request: Any) -> Any:
    """Return the answer with its body read."""
    answer = client.invoke_endpoint(EndpointName=name, Body=body, **request)
    return {**answer, "Body": answer["Body"].read()}


def refused(client: Any, body: bytes = b"1", name: str = "x", **request: Any) -> Any:
    """Return the response of the error that the invocation must end in."""
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(EndpointName=name, Body=body, **request)
    return caught.value.response


def stream(client: Any, body: bytes = b"1", name: str = "x", **request: Any) -> Any:
    return client.invoke_endpoint_with_response_stream(EndpointName=name, Body=body, **request)


def parts_of(events: Any) -> list[bytes]:
    return [event["PayloadPart"]["Bytes"] for event in events]
