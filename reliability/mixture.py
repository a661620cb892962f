"""The kinds of requests of a long run, and how often each comes."""

import random
from collections.abc import Iterator
from pathlib import Path

from benchmark.model import Model
from benchmark.models import folder_named
from benchmark.wire import CSV, JSON, Request
from reliability.caller import Caller
from reliability.connection import Call

LINES, NPY, TEXT = "application/jsonlines", "application/x-npy", "text/plain"
LARGE, SPOOLED, STREAMED = 2000, 8000, 6  # rows: 0.3 MB, more than nginx keeps in memory, and an answer in six parts
IMPATIENCE = 0.01  # seconds at most, after which a client that will not wait has left
STREAM, LEAVES_WAITING, LEAVES_SENDING = "stream", "leaves while it waits", "leaves while it sends"
WEIGHTS = {
    "CSV": 40,
    "JSON": 20,
    "JSON Lines": 8,
    "npy": 8,
    "large CSV": 2,
    "larger than nginx's buffer": 0.5,
    STREAM: 6,
    "bad row": 5,
    "bad JSON": 2,
    "unknown media type": 2,
    LEAVES_WAITING: 4.5,
    LEAVES_SENDING: 2,
}


def requests_of(model: Model) -> dict[str, tuple[Request, int]]:
    """Return one request of each kind that waits for its answer, and the status that it should get."""
    samples = Path(folder_named("abalone_predictor")) / "samples"
    row = (model.folder / "samples" / "one_row.csv").read_text().strip() + "\n"

    def to_us(content_type: str, body: bytes, accept: str = "*/*") -> Request:
        return Request("/invocations", content_type, body, accept)

    return {
        "CSV": (to_us(CSV, row.encode(), CSV), 200),
        "JSON": (to_us(JSON, (samples / "instances.json").read_bytes(), JSON), 200),
        "JSON Lines": (to_us(LINES, (samples / "records.jsonl").read_bytes(), LINES), 200),
        "npy": (to_us(NPY, (samples / "array.npy").read_bytes(), NPY), 200),
        "large CSV": (to_us(CSV, (row * LARGE).encode(), CSV), 200),
        "larger than nginx's buffer": (to_us(CSV, (row * SPOOLED).encode(), JSON), 200),
        STREAM: (to_us(CSV, (row * STREAMED).encode(), TEXT), 200),
        "bad row": (to_us(CSV, b"1,2,3\n"), 400),
        "bad JSON": (to_us(JSON, b'{"instances": [['), 400),
        "unknown media type": (to_us("image/png", b"\x89PNG"), 415),
    }


async def calls_of(model: Model, address: tuple[str, int], host: str) -> dict[str, Call]:
    """Return a call of each kind; what it should get is what it gets now, alone, while nothing else is asked."""
    calls, caller = {}, Caller(address)
    for kind, (request, status) in requests_of(model).items():
        call = Call(kind, request.as_http(host), status)
        answer = await caller.answer(call)
        calls[kind] = call._replace(body=answer.body if status == 200 else None)  # an error has the request's id
    caller.close()
    return calls


def mixed(calls: dict[str, Call], chance: random.Random) -> Iterator[Call]:
    """Yield calls of every kind, for ever."""
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    while True:
        (kind,) = chance.choices(kinds, weights)
        if kind == LEAVES_WAITING:
            yield calls[STREAM]._replace(kind=kind, leaves_after=chance.uniform(0, IMPATIENCE))
        elif kind == LEAVES_SENDING:
            large = calls["large CSV"]
            yield large._replace(kind=kind, leaves_at=chance.randrange(1, len(large.data)))
        else:
            yield calls[kind]
