"""The whole way of a request, for requests that Hypothesis thinks of: through the service, and once over HTTP."""

import gc
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import gevent
import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abalone import COLUMNS
from fuzz.mutations import ACCEPTS, CONTENT_TYPES, ENCODINGS
from mixed_requests import array_of, csv_of, instances_of, lines_of, lists_of, records_of
from server import MODELS, PATIENCE, HostServer
from serving.errors import RequestError
from serving.inference import InferenceRequest, InferenceResponse
from serving.loading import load_model
from serving.plan import Plan
from serving.service import ModelService
from serving.settings import Settings

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))  # for each promise; always the same ones
FOLDER = MODELS / "abalone"
FORMS = (csv_of, lists_of, instances_of, records_of, lines_of, array_of)
READERS: dict[str, Callable[[bytes], Any]] = {
    "text/csv": lambda body: [float(line) for line in body.decode().splitlines()],
    "application/json": json.loads,
    "application/jsonlines": lambda body: [json.loads(line) for line in body.splitlines()],
    "application/x-npy": lambda body: np.load(io.BytesIO(body)).tolist(),
}

numbers = st.floats(0, 3, width=32).map(float)
rows = st.tuples(st.sampled_from("MFI"), *[numbers] * 7).map(list)
tables = st.lists(rows, min_size=1, max_size=30)
forms, accepts = st.sampled_from(FORMS), st.sampled_from(sorted(READERS))
anything = st.one_of(st.binary(max_size=300), tables.flatmap(lambda table: forms.map(lambda form: form(table)[0])))
headers = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40).map(
    str.strip
)


@st.composite
def good_requests(draw: st.DrawFn) -> tuple[list[list[Any]], InferenceRequest]:
    """Rows, and a request that asks about them in one of the ways there are."""
    table = draw(tables)
    body, content_type = draw(forms)(table)
    if draw(st.booleans()):
        return table, InferenceRequest(gzip.compress(body, mtime=0), content_type, draw(accepts), "gzip")
    return table, InferenceRequest(body, content_type, draw(accepts))


any_requests = st.tuples(
    anything,
    st.none() | st.sampled_from(CONTENT_TYPES) | headers,
    st.none() | st.sampled_from(ACCEPTS) | headers,
    st.just("") | st.sampled_from(ENCODINGS) | headers,
).map(lambda parts: InferenceRequest(*parts))


def promise(examples: int, **given_as: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try *examples* of what is given, the same every time, and write nothing into this folder."""
    always = settings(derandomize=True, deadline=None, database=None, max_examples=examples)
    return lambda test: always(given(**given_as)(test))


@pytest.fixture(scope="module")
def service() -> Iterator[ModelService]:
    """The example model as a worker has it."""
    read = Settings.from_environment({"SM_MODEL_DIR": str(FOLDER), "SERVING_LOAD_PER": "worker"})
    service = ModelService(read, Plan(cpus=1.0, workers=1, threads=1), load_model)
    service.prepare()
    service.start()
    yield service
    gc.unfreeze()


@pytest.fixture(scope="module")
def connection() -> Iterator[HTTPConnection]:
    """A connection to a server of the example model."""
    with closing(HostServer(FOLDER, {})) as server:
        server.wait_until_ready()
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
            yield connection


@pytest.fixture(scope="module")
def rings() -> Callable[[Sequence[Any]], Any]:
    """What the model itself predicts, asked for all rows at once."""
    model = joblib.load(FOLDER / "model.joblib")
    return lambda table: model.predict(pd.DataFrame(table, columns=COLUMNS))


def answer(service: ModelService, request: InferenceRequest) -> InferenceResponse | RequestError:
    """Return the answer or the refusal; anything else that is raised goes through."""
    try:
        return service.answer(request)
    except RequestError as error:
        return error


def assert_answers(request: InferenceRequest, content_type: str, body: bytes, expected: Any) -> None:
    """Check that there is one prediction for each row, in their order, in the type that was asked for."""
    assert content_type == request.accept
    found = READERS[content_type](body)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@promise(EXAMPLES, asked=good_requests())
def test_each_row_is_answered_in_its_place_whatever_the_types(service: Any, rings: Any, asked: Any) -> None:
    table, request = asked
    found = service.answer(request)
    assert_answers(request, found.content_type, found.body, rings(table))


@promise(EXAMPLES, request=any_requests)
def test_whatever_is_sent_is_answered_or_refused_as_the_callers_fault(service: Any, request: InferenceRequest) -> None:
    found = answer(service, request)
    assert isinstance(found, InferenceResponse) or 400 <= found.status < 500, found


@promise(EXAMPLES // 3, asked=st.lists(st.one_of(good_requests(), any_requests), min_size=2, max_size=8))
def test_nobody_is_answered_with_a_neighbours_rows(service: Any, rings: Any, asked: list[Any]) -> None:
    """At once, so that they are answered together as far as they can be."""
    requests = [one if isinstance(one, InferenceRequest) else one[1] for one in asked]
    waiting = [gevent.spawn(answer, service, request) for request in requests]
    gevent.joinall(waiting, timeout=PATIENCE, raise_error=True)
    for one, greenlet in zip(asked, waiting, strict=True):
        if not isinstance(one, InferenceRequest):
            assert_answers(one[1], greenlet.value.content_type, greenlet.value.body, rings(one[0]))


def over_http(connection: HTTPConnection, request: InferenceRequest) -> tuple[int, str, bytes]:
    """Send a request over the connection; return status, content type and body of the answer."""
    sent = {
        "Content-Type": request.content_type,
        "Accept": request.accept,
        "Content-Encoding": request.content_encoding,
    }
    named = {name: value.encode("latin-1") for name, value in sent.items() if value}
    connection.request("POST", "/invocations", request.body, named)
    found = connection.getresponse()
    return found.status, found.headers["Content-Type"], found.read()


@pytest.mark.nginx
@promise(EXAMPLES // 2, asked=good_requests())
def test_each_row_is_answered_in_its_place_over_http(connection: Any, rings: Any, asked: Any) -> None:
    table, request = asked
    status, content_type, body = over_http(connection, request)
    assert status == 200, body
    assert_answers(request, content_type, body, rings(table))


@pytest.mark.nginx
@promise(EXAMPLES // 2, request=any_requests)
def test_nothing_that_is_sent_over_http_is_a_500(connection: Any, request: InferenceRequest) -> None:
    status, content_type, body = over_http(connection, request)
    assert status == 200 or 400 <= status < 500, body
    if status != 200:
        assert content_type == "application/json"
        assert set(json.loads(body)["error"]) == {"code", "message", "request_id"}
