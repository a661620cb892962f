"""
Thousands of requests of every kind, from many connections at once, and whether each gets what it would get alone.

`python tests/mixed_requests.py --requests 100000` asks a server on this machine; the tests ask fewer.
"""

import argparse
import gzip
import io
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from server import MODELS, PATIENCE, HostServer, Server
from serving.errors import RequestError, error_body
from serving.inference import InferenceRequest
from serving.loading import load_model
from serving.model import Model
from serving.settings import Settings

CONNECTIONS = 64
REPEATS = 4  # each request is sent so often, at places far apart, and stands beside others each time
DEBUG = "10"  # the log level at which the server says which requests went together
TOGETHER = re.compile(r'"(\d+) requests were answered together"')
FAILED = re.compile(r'"(\d+) requests failed together"')
ACCEPTS = (None, "*/*", "text/csv", "application/json", "application/jsonlines", "application/x-npy")
SIZES = (1, 1, 1, 1, 1, 1, 2, 3, 7, 50)


class Answer(NamedTuple):
    """What a caller sees of an answer."""

    status: int
    content_type: str | None
    body: bytes


class Result(NamedTuple):
    """What became of all requests, and how many of them the model was given beside others."""

    statuses: Counter[int]
    wrong: list[tuple[InferenceRequest, Answer, Answer]]
    batches: list[int]
    failed: list[int]


# -- what is sent


def requests_of(number: int, seed: int) -> list[InferenceRequest]:
    """Return *number* requests for the abalone model, the same for the same *seed*."""
    chance = random.Random(seed)
    different = [mixed_request(chance) for _ in range(-(-number // REPEATS))]
    return [one for _ in range(REPEATS) for one in chance.sample(different, len(different))][:number]


def mixed_request(chance: random.Random) -> InferenceRequest:
    """Return one request; one in four is wrong somewhere."""
    rows = [row_of(chance) for _ in range(chance.choice(SIZES))]
    if chance.random() < 0.1:
        spoil(rows, chance)
    form = chance.choice([csv_of, csv_of, lists_of, instances_of, records_of, lines_of, array_of])
    body, content_type = form(rows)
    accept = chance.choice(ACCEPTS) if chance.random() < 0.95 else "image/png"
    fault = chance.random()
    if fault < 0.02:
        body = b""
    elif fault < 0.04:
        content_type = chance.choice(["image/png", "text/plain", "application/x-image"])
    elif fault < 0.06:
        body = body[: len(body) // 2]
    elif fault < 0.07:
        content_type = None
    if chance.random() < 0.1:
        return InferenceRequest(gzip.compress(body, mtime=0), content_type, accept, "gzip")
    return InferenceRequest(body, content_type, accept, "br" if fault > 0.99 else "")


def row_of(chance: random.Random) -> list[object]:
    """Return the cells of one shellfish; now and then one is missing."""
    row = [chance.choice("MFI"), *(round(chance.random(), 4) for _ in range(7))]
    if chance.random() < 0.05:
        row[chance.randrange(8)] = None
    if chance.random() < 0.1:
        row.append(chance.randrange(30))  # the label, which is dropped
    return row


def spoil(rows: list[list[object]], chance: random.Random) -> None:
    """Put something into one of the rows that the server or the model refuses, or that only looks so."""
    row = chance.choice(rows)
    if chance.random() < 0.3:
        row.extend([1, 2, 3])
    else:
        row[chance.randrange(1, 8)] = chance.choice(["what", "nan", "inf", "1e400", "1_0", " 0.5", "-0.0", True, "Ω"])


def csv_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    cells = (",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    return "\n".join(cells).encode(), "text/csv"


def lists_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    return json.dumps(rows).encode(), "application/json"


def instances_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    return json.dumps({"instances": [{"features": row} for row in rows]}).encode(), "application/json"


def records_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    columns = json.loads((MODELS / "abalone/manifest.json").read_text())["input"]["columns"]
    names = [column["name"] for column in columns]
    return json.dumps([dict(zip(names, row, strict=False)) for row in rows]).encode(), "application/json"


def lines_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    return "\n".join(map(json.dumps, rows)).encode(), "application/jsonlines"


def array_of(rows: Sequence[Sequence[object]]) -> tuple[bytes, str]:
    width = min(map(len, rows))
    stream = io.BytesIO()
    np.save(stream, np.array([["" if cell is None else str(cell) for cell in row[:width]] for row in rows]))
    return stream.getvalue(), "application/x-npy"


# -- what comes back


def alone(model: Model, request: InferenceRequest) -> Callable[[str], Answer]:
    """Return what the model answers when nobody else asks; an error's body has the id of the request in it."""
    try:
        answer = model.transform(request)
    except RequestError as error:
        code, message, status = error.code, error.message, error.status
        return lambda request_id: Answer(status, "application/json", error_body(code, message, request_id))
    found = Answer(200, answer.content_type, answer.read())
    return lambda request_id: found


def ask(connection: HTTPConnection, request: InferenceRequest) -> tuple[Answer, str]:
    """Send one request, and return the answer with the id that the server gave the request."""
    named = {
        "Content-Type": request.content_type,
        "Accept": request.accept,
        "Content-Encoding": request.content_encoding or None,
    }
    headers = {name: value for name, value in named.items() if value is not None}
    connection.request("POST", "/invocations", request.body, headers)
    answer = connection.getresponse()
    body = answer.read()
    return Answer(answer.status, answer.headers["Content-Type"], body), answer.headers["X-Request-Id"]


def ask_all(server: Server, requests: Sequence[InferenceRequest]) -> list[tuple[Answer, str]]:
    """Ask *requests* from many connections, each with every so-manieth of them; return answers in their order."""

    def ask_some(first: int) -> list[tuple[Answer, str]]:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
            return [ask(connection, request) for request in requests[first::CONNECTIONS]]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = list(pool.map(ask_some, range(CONNECTIONS)))
    return [parts[number % CONNECTIONS][number // CONNECTIONS] for number in range(len(requests))]


def check(server: Server, folder: Path, number: int, seed: int = 0) -> Result:
    """Compare what *server* answers to many requests at once with what the model in *folder* answers alone."""
    model = load_model(Settings.from_environment({"SM_MODEL_DIR": str(folder)}))
    requests = requests_of(number, seed)
    before = len(server.log_text())  # the trial at the start had its own batches
    found = ask_all(server, requests)
    expected = {id(request): alone(model, request) for request in requests}
    wrong = [
        (request, answer, right)
        for request, (answer, request_id) in zip(requests, found, strict=True)
        if answer != (right := expected[id(request)](request_id))
    ]
    log = server.log_text()[before:]
    batches, failed = ([int(size) for size in pattern.findall(log)] for pattern in (TOGETHER, FAILED))
    return Result(Counter(answer.status for answer, _ in found), wrong, batches, failed)


def main() -> int:
    """Ask a server of our own, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = MODELS / "abalone"
    with closing(HostServer(folder, {"SAGEMAKER_CONTAINER_LOG_LEVEL": DEBUG})) as server:
        server.wait_until_ready()
        result = check(server, folder, arguments.requests, arguments.seed)
    print(f"{sum(result.statuses.values())} requests: {dict(sorted(result.statuses.items()))}")
    print(
        f"{sum(result.batches)} of them answered by {len(result.batches)} calls for several, {max(result.batches)} "
        f"by the largest; {len(result.failed)} such calls failed, and were made again for fewer"
    )
    print(f"{len(result.wrong)} answers are not what the model answers alone", *result.wrong[:5], sep="\n")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
