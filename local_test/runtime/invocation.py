"""One invocation of an endpoint: through its container, or through its pipeline of containers."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

from runtime.endpoints import Container, Endpoint
from runtime.errors import ServiceError, Words
from runtime.limits import MB, Limits, exceeds
from runtime.upstream import Answer, Deadline, DeadlineMissed, UpstreamError, answers_ping, invoke


@dataclass(frozen=True)
class Request:
    """What a container is sent."""

    body: bytes | IO[bytes]
    size: int
    headers: Mapping[str, str]

    def handed_on(self, body: bytes, content_type: str | None) -> "Request":
        """Return the request to the next container: the answer as it is, the caller's other headers."""
        headers = {name: value for name, value in self.headers.items() if name != "Content-Type"}
        return Request(body, len(body), headers if content_type is None else {**headers, "Content-Type": content_type})


@dataclass(frozen=True)
class Invocation:
    """Where the request goes, how long it may take, and how failures are worded."""

    endpoint: Endpoint
    limits: Limits
    deadline: Deadline
    words: Words

    @property
    def last(self) -> Container:
        """Return the container whose answer is the endpoint's."""
        return self.endpoint.containers[-1]

    def open(self, request: Request) -> Answer:
        """Return the last container's answer, its body still to be read; raise `ModelError` for any other end."""
        for container, following in pairwise(self.endpoint.containers):
            with closing(self.ask(container, request)) as answer:
                body = self.read(container, answer)
            if exceeds(len(body), self.limits.hop_bytes):
                limit = (self.limits.hop_bytes or 0) // MB
                raise self.words.hop_too_large(container.name, following.name, len(body), limit)
            request = request.handed_on(body, answer.headers.get("Content-Type"))
        return self.ask(self.last, request)

    def ask(self, container: Container, request: Request) -> Answer:
        """Return a container's good answer."""
        try:
            headers = {**request.headers, "Content-Length": str(request.size)}
            answer = invoke(container, request.body, headers, self.deadline)
        except UpstreamError as error:
            raise self.failure(container, error) from error
        if answer.status >= 300:
            with closing(answer):
                raise self.words.refused(container.name, answer.status, message_of(answer))
        return answer

    def read(self, container: Container, answer: Answer) -> bytes:
        """Return the whole body of an answer."""
        try:
            return answer.read()
        except UpstreamError as error:
            raise self.failure(container, error) from error

    def failure(self, container: Container, error: UpstreamError) -> ServiceError:
        """Return the service's words for a container that did not answer."""
        timed_out = isinstance(error, DeadlineMissed)
        return self.words.timed_out(container.name) if timed_out else self.words.no_response(container.name)


def message_of(answer: Answer) -> str | None:
    """Return an error's body as text; None if it cannot be read to its end."""
    try:
        return answer.read().decode(errors="replace")
    except UpstreamError:
        return None


class Readiness:
    """Serverless endpoints make their callers wait for the first good ping; which ones have had it is kept here."""

    def __init__(self) -> None:
        self.ready: set[str] = set()

    def require(self, endpoint: Endpoint, words: Words) -> None:
        """Raise `ModelNotReady` until every container has answered a ping with 200 once."""
        if endpoint.name not in self.ready:
            if not all(map(answers_ping, endpoint.containers)):
                raise words.not_ready()
            self.ready.add(endpoint.name)
