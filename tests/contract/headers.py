"""The headers that AWS documents for a request and an answer, and what their values may be."""

import re

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION_ID = "X-Amzn-SageMaker-Session-Id"
NEW_SESSION = "NEW_SESSION"
LONGEST = 1024
LONGEST_SESSION = 256

UNKNOWN = {f"X-Amzn-Unheard-Of-{number}": str(number) for number in range(50)}
# Without Session-Id: a model that has sessions may refuse one that it has not opened.
DOCUMENTED = {
    CUSTOM_ATTRIBUTES: "trace-id=1234",
    "X-Amzn-SageMaker-Target-Model": "a-model.tar.gz",
    "X-Amzn-SageMaker-Target-Variant": "AllTraffic",
    "X-Amzn-SageMaker-Target-Container-Hostname": "container-1",
    "X-Amzn-SageMaker-Inference-Id": "1234",
    "X-Amzn-SageMaker-Enable-Explanations": "`false`",
    "X-Amzn-SageMaker-Inference-Component": "a-component",
    "X-Amzn-SageMaker-Prefix-Aware-Id": "1234",
    "X-Amzn-SageMaker-Forwarded-Api": "InvokeEndpoint",
}
LONG = {
    CUSTOM_ATTRIBUTES: "a" * LONGEST,
    "X-Amzn-SageMaker-Target-Model": "a" * LONGEST,
}

VISIBLE_ASCII = re.compile(r"[\x20-\x7e\t]*")  # the API's own examples have blanks between
OPENED_SESSION = re.compile(
    r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
)


def fault_of_attributes(value: str) -> str:
    """Return what is wrong with custom attributes, "" for nothing."""
    if len(value) > LONGEST:
        return f"{len(value)} characters; SageMaker passes on at most {LONGEST}"
    if not VISIBLE_ASCII.fullmatch(value):
        return f"characters that are not visible ASCII: {value[:60]!a}"
    return ""


def fault_of_session(value: str | None) -> str:
    """Return what is wrong with the header that opens a session, "" for nothing."""
    if value is None:
        return "the header is missing"
    if len(value) > LONGEST_SESSION:
        return f"{len(value)} characters; SageMaker takes at most {LONGEST_SESSION}"
    if not OPENED_SESSION.fullmatch(value):
        return "not of the form `ID; Expires=yyyy-mm-ddThh:mm:ssZ`, the id of letters, digits and hyphens"
    return ""
