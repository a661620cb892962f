"""Answers in parts: what `InvokeEndpointWithResponseStream` passes on."""

import time
from dataclasses import dataclass, field

import requests

from contract.clauses import MARKETPLACE, REAL_TIME, clause
from contract.targets import not_applicable

SHORTEST_STREAM = 0.5  # seconds; in less, parts that are sent and parts that are held back look alike
LEAST_SPREAD = 0.1  # of the whole time
STREAM_SECONDS = 480  # 2.02
HTTP_1_1 = 11


@dataclass
class Stream:
    """An answer as it arrived: its parts with their times, and what ended it early."""

    status: int = 0
    is_chunked: bool = False
    arrivals: list[float] = field(default_factory=list)
    end: str = ""
    seconds: float = 0.0

    @property
    def spread(self):
        """Return the seconds between the first part and the last."""
        return self.arrivals[-1] - self.arrivals[0] if self.arrivals else 0.0


@clause(
    "2.01",
    "send the parts of a streamed answer as they come",
    "Return a generator: Flask's `Response(stream_with_context(parts()))`. In nginx: `proxy_buffering off;` and "
    "`proxy_http_version 1.1;`.",
    required=(REAL_TIME, MARKETPLACE),
)
def test_parts_arrive_as_they_are_made(server, further_sample, saw):
    """Sends a request whose answer takes a while and comes in parts, and notes when each arrives."""
    stream = read_stream(server, further_sample("stream"))
    saw(
        f"{stream.status}, {'chunks' if stream.is_chunked else 'no chunks of HTTP/1.1'}; {len(stream.arrivals)} parts "
        f"within {stream.spread:.1f} s, all after {stream.seconds:.1f} s{stream.end and ', then '}{stream.end}"
    )
    if stream.status == 200 and stream.seconds < SHORTEST_STREAM:
        not_applicable(f"the stream is over too soon to tell: name one that takes more than {SHORTEST_STREAM} s")
    assert stream.status == 200
    assert stream.is_chunked
    assert stream.spread > LEAST_SPREAD * stream.seconds
    assert not stream.end


@clause(
    "2.03",
    "leave a stream that fails incomplete",
    "Let the exception of the generator through: the server then closes without the last chunk, and the caller gets a "
    "ModelStreamError. A clean end looks like the whole answer.",
    recommended=(REAL_TIME, MARKETPLACE),
)
def test_a_stream_that_fails_is_left_incomplete(server, further_sample, saw):
    """Sends a request whose answer fails after its first part, and reads to the end."""
    stream = read_stream(server, further_sample("broken-stream"))
    saw(f"{stream.status}, {len(stream.arrivals)} parts, then {stream.end or 'a clean end'}")
    assert stream.status >= 400 or (stream.status == 200 and stream.end == CUT)


CUT, SILENCE = "a cut", "silence"


def read_stream(server, sample):
    """Return the answer to a request, with the time of each part."""
    stream = Stream()
    began = time.monotonic()
    try:
        with requests.post(
            f"{server.url}/invocations",
            data=sample.body,
            headers={"Content-Type": sample.content_type},
            timeout=STREAM_SECONDS,
            stream=True,
        ) as answer:
            stream.status = answer.status_code
            chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
            stream.is_chunked = chunked and answer.raw.version == HTTP_1_1
            for part in answer.iter_content(None):
                stream.arrivals += [time.monotonic() - began] if part else []
    except requests.Timeout:
        stream.end = SILENCE
    except requests.RequestException as error:
        stream.end = SILENCE if "timed out" in str(error) else CUT
    stream.seconds = time.monotonic() - began
    return stream
