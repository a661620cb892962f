"""Asking a server in the ways that the checks need, and reading what it said."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import requests

from contract.clauses import BATCH, MARKETPLACE, PIPELINE, REAL_TIME, SERVERLESS
from contract.running import ask, no_answer
from contract.samples import Sample
from server import Server

ENDPOINTS = (REAL_TIME, SERVERLESS, PIPELINE, MARKETPLACE)  # whoever sends requests there chooses the headers
JOBS = (BATCH, MARKETPLACE)
UNHEARD_OF = "application/x-unheard-of"
BLOCK = bytes(b"\n" * (1 << 16))
SOME_PADDING = 64


def ask_sample(
    server: Server, sample: Sample, headers: Mapping[str, str | None] | None = None, seconds: float = 60.0
) -> requests.Response:
    """Send the sample with further headers, or with others; None leaves one out."""
    return ask(server, sample.body, {"Content-Type": sample.content_type, **(headers or {})}, seconds)


def fetch(server: Server, path: str, method: str = "GET", seconds: float = 10.0, **headers: str) -> requests.Response:
    """Ask for another path, and follow no redirect."""
    try:
        return requests.request(method, server.url + path, timeout=seconds, headers=headers, allow_redirects=False)
    except requests.RequestException as error:
        return no_answer(error)


def told(answers: Mapping[str, requests.Response]) -> str:
    """Return the statuses, in words."""
    return ", ".join(f"{how}: {status_of(answer)}" for how, answer in answers.items())


def status_of(answer: requests.Response) -> str:
    """Return the status of an answer, or why there is none."""
    return str(answer.status_code or f"no answer ({answer.reason})")


def media_type(answer: requests.Response) -> str:
    """Return what the answer says that it is, without parameters."""
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def is_fault_of_the_caller(answer: requests.Response) -> bool:
    """Tell whether the status says so."""
    return 400 <= answer.status_code < 500


def is_fault_of_the_server(answer: requests.Response) -> bool:
    """Tell whether the status says so; no answer at all is one, too."""
    return answer.status_code == 0 or answer.status_code >= 500


def is_another(other: requests.Response, answer: requests.Response, again: Callable[[], requests.Response]) -> bool:
    """Tell whether a body differs; where two plain requests are answered differently, nobody can."""
    return other.content != answer.content and again().content == answer.content


def is_the_same(other: requests.Response, answer: requests.Response, again: Callable[[], requests.Response]) -> bool:
    """Tell whether it is a good answer, with the same body as far as anybody can tell."""
    return other.status_code == 200 and not is_another(other, answer, again)


@dataclass(frozen=True)
class Padded:
    """A body with line feeds after it, *size* bytes in all; `requests` sends it with its length, piece by piece."""

    body: bytes
    size: int

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        yield self.body
        left = self.size - len(self.body)
        while left > 0:
            yield BLOCK[:left]
            left -= len(BLOCK)


def ask_padded(server: Server, sample: Sample, size: float, seconds: float) -> requests.Response:
    """Send the sample with as many line feeds after it as make *size* bytes."""
    padded = Padded(sample.body, max(int(size), len(sample.body)))
    return ask(server, padded, {"Content-Type": sample.content_type}, seconds)


def refuses_size(server: Server, sample: Sample, size: float, seconds: float, saw: Callable[[str], None]) -> bool:
    """Tell whether a body is refused for its size; a model may mind the padding, but then it minds a little, too."""
    large = ask_padded(server, sample, size, seconds)
    said = f"{status_of(large)} for {size / (1 << 20):.0f} MB"
    if large.status_code == 200:
        saw(said)
        return False
    small = ask_padded(server, sample, len(sample.body) + SOME_PADDING, seconds)
    saw(f"{said}, {status_of(small)} for the sample and {SOME_PADDING} line feeds")
    return large.status_code in (0, 413) or large.status_code != small.status_code


def in_pieces(body: bytes, size: int = 1000) -> Iterable[bytes]:
    """Yield a body in pieces: `requests` sends such a one in chunks, without its length."""
    step = max(1, min(size, -(-len(body) // 2)))
    return (body[start : start + step] for start in range(0, len(body), step))
