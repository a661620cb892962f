"""Which headers pass: to the container, and back to the caller. SageMaker strips all others."""

import re
from typing import Protocol

from runtime.errors import ValidationError

PREFIX = "X-Amzn-SageMaker-"
FORWARDED = tuple(
    PREFIX + name
    for name in (
        "Custom-Attributes",
        "Target-Model",
        "Target-Variant",
        "Target-Container-Hostname",
        "Inference-Id",
        "Enable-Explanations",
        "Inference-Component",
        "Session-Id",
        "Prefix-Aware-Id",
    )
)
VARIANT = {"x-Amzn-Invoked-Production-Variant": "AllTraffic"}
NEW_SESSION = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=.+")
# The credential scope of a signature: date, region, service.
SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/sagemaker/aws4_request")
DEFAULT_REGION = "us-east-1"


class Headers(Protocol):
    """Headers of whichever library; names are in any case."""

    def get(self, name: str, /) -> str | None:
        """Return the value, if the header is there."""


def to_container(headers: Headers, content_type: str = "Content-Type", accept: str = "Accept") -> dict[str, str]:
    """Return what the container sees; some operations carry the media types in headers of other names."""
    renamed = {"Content-Type": content_type, "Accept": accept}
    names = renamed | dict(zip(FORWARDED, FORWARDED, strict=True))
    return {name: value for name, source in names.items() if (value := headers.get(source)) is not None}


def to_caller(answer: Headers) -> dict[str, str]:
    """Return what the caller sees of the answer's headers, the Content-Type aside."""
    names = (PREFIX + "Custom-Attributes", PREFIX + "Closed-Session-Id")
    passed = {name: value for name in names if (value := answer.get(name)) is not None}
    session = answer.get(PREFIX + "New-Session-Id") or answer.get(PREFIX + "Session-Id") or ""
    # A container opens a session with the id and its end; an id alone is an echo of the request.
    opened = {PREFIX + "New-Session-Id": session} if NEW_SESSION.fullmatch(session) else {}
    return VARIANT | passed | opened


def region_of(authorization: str) -> str:
    """Return the region that the caller signed for."""
    found = SCOPE.search(authorization)
    return found["region"] if found else DEFAULT_REGION


def number_in(headers: Headers, name: str, default: int, least: int, most: int) -> int:
    """Return a header's number; raise `ValidationError` if it is out of its range."""
    text = headers.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValidationError(f"{name.removeprefix(PREFIX)} is {text}; a number from {least} to {most} was expected.")
    return int(text)
