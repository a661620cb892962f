"""The headers that hooks add to an answer: which may be set, in which form, and until when."""

import re
from typing import Any, NamedTuple

from serving.errors import ModelFailed

MAX_TOTAL = 8192  # bytes; nginx has a buffer of 16 KB for them and for the server's own
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VISIBLE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")  # what HTTP itself would strip is no part of a value
OURS = {
    "connection", "content-length", "content-type", "date", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "server", "te", "trailer", "trailers", "transfer-encoding", "upgrade", "x-request-id",
}  # fmt: skip
SESSION_ID = r"(?=.{1,256}$)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*"


class Form(NamedTuple):
    """What SageMaker demands of a header's value, for programs and for people."""

    pattern: re.Pattern[str]
    meaning: str


FORMS = {
    "x-amzn-sagemaker-custom-attributes": Form(re.compile(r".{0,1024}"), "at most 1024 visible US-ASCII characters"),
    "x-amzn-sagemaker-session-id": Form(
        re.compile(SESSION_ID + r"; Expires=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
        "an id of letters, digits and inner hyphens, then '; Expires=yyyy-mm-ddThh:mm:ssZ', at most 256 characters",
    ),
    "x-amzn-sagemaker-closed-session-id": Form(
        re.compile(SESSION_ID), "an id of at most 256 letters, digits and inner hyphens"
    ),
}


class ResponseHeaders:
    """The headers of one answer. What cannot be sent is refused when it is set: the hook's line is in the log."""

    def __init__(self) -> None:
        """Begin with none."""
        self._headers: dict[str, tuple[str, str]] = {}
        self._sealed = ""

    def set(self, name: str, value: str) -> None:
        """Set a header, in place of one of the same name; raise `ModelFailed` saying what is wrong with it."""
        if self._sealed:
            raise ModelFailed(f"The response header {name!r:.80} comes too late: {self._sealed}")
        refuse_name(name)
        refuse_value(name, value)
        headers = {**self._headers, name.lower(): (name, value)}
        if (total := sum(len(known) + len(text) for known, text in headers.values())) > MAX_TOTAL:
            raise ModelFailed(f"The response headers are too long with {name!r:.80}: {total} bytes, of {MAX_TOTAL}.")
        self._headers = headers

    def seal(self, reason: str) -> None:
        """Refuse every header from now on, for this *reason*."""
        self._sealed = reason

    def as_dict(self) -> dict[str, str]:
        """Return the headers, with names as they were set."""
        return dict(self._headers.values())


def refuse_name(name: Any) -> None:
    """Raise `ModelFailed` for what is no name, or is the name of a header that the server writes itself."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ModelFailed(f"The response header {name!r:.80} has no valid name: use letters, digits and hyphens.")
    if name.lower() == "content-type":
        raise ModelFailed("The response header 'Content-Type' is the server's: return (body, content type) instead.")
    if name.lower() in OURS or name.lower().startswith("x-accel-"):
        raise ModelFailed(f"The response header {name!r:.80} is the server's own, and not for hooks to set.")


def refuse_value(name: str, value: Any) -> None:
    """Raise `ModelFailed` for a value that HTTP or SageMaker has no place for; only the log has some of it."""
    found = ValueError(f"found {value!r:.80}")
    if not isinstance(value, str):
        raise ModelFailed(f"The response header {name!r:.80} is of type {type(value).__name__}, not str.") from found
    if not is_visible(value):
        raise ModelFailed(
            f"The response header {name!r:.80} holds what cannot be sent: use visible US-ASCII characters, "
            "with spaces only between them."
        ) from found
    form = FORMS.get(name.lower())
    if form and not form.pattern.fullmatch(value):
        raise ModelFailed(f"The response header {name!r:.80} is not {form.meaning}.") from found


def is_visible(value: str) -> bool:
    """Tell whether a header can have this value."""
    return VISIBLE.fullmatch(value) is not None
