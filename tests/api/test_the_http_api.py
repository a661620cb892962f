"""The local HTTP API behaves as API Gateway's does: what the function gets, and what a page is let see."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sample_apis import ORIGIN, api_of

from http_api import Throttle, create_app
from server import until

HERE = {"Origin": ORIGIN}


class Demo:
    """An API in front of a function of the test's own, which keeps its events; no time passes for its throttle."""

    def __init__(self, answer=lambda event: {"statusCode": 204}, seconds=30, **settings):
        self.events, self.said = [], []

        def function(event):
            self.events.append(event)
            return answer(event)

        self.app = create_app(api_of(**settings), function, self.said.append, seconds, clock=lambda: 0.0)
        self.http = self.app.test_client()

    def post(self, body=b"x", content_type="text/plain", path="/demo", **headers):
        return self.http.post(path, data=body, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("text/plain", False),
        ("text/plain; charset=utf-8", False),
        ("application/json", False),
        ("application/vnd.x+json", False),
        ("application/xml", False),
        ("application/octet-stream", True),
        ("application/x-www-form-urlencoded", True),
        (None, True),
    ],
)
def test_a_body_is_base64_by_its_type_and_not_by_its_bytes(content_type, encoded):
    demo = Demo()
    demo.post("schön".encode(), content_type)
    (event,) = demo.events
    assert event["isBase64Encoded"] is encoded
    assert event["body"] == (base64.b64encode("schön".encode()).decode() if encoded else "schön")


def test_an_event_is_of_version_2():
    demo = Demo()
    demo.post(b"x", **{"X-Thing": "1"})
    (event,) = demo.events
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /demo", "/demo")
    assert event["headers"]["x-thing"] == "1"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["requestId"]


def test_a_request_without_a_body_has_none_in_its_event():
    demo = Demo()
    demo.post(b"")
    assert "body" not in demo.events[0]
    assert demo.events[0]["isBase64Encoded"] is False


def test_the_functions_answer_goes_out_as_it_is_but_for_what_it_says_of_origins():
    """The source's `Access-Control-Allow-Origin: *` has no effect where the API has a setting of its own."""
    headers = {"content-type": "application/json", "Access-Control-Allow-Origin": "*"}
    answer = Demo(lambda _: {"statusCode": 201, "headers": headers, "body": "[1]"}).post(b"x", **HERE)
    assert (answer.status_code, answer.json) == (201, [1])
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Expose-Headers"] == "retry-after"


def test_a_strangers_page_is_not_let_see_the_answer():
    answer = Demo(lambda _: {"statusCode": 200, "body": "x"}).post(b"x", Origin="https://elsewhere.example.com")
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("origin", "allowed"), [(ORIGIN, True), ("https://elsewhere.example.com", False), (None, False)]
)
def test_a_preflight_is_answered_by_the_api_itself(origin, allowed):
    demo = Demo()
    answer = demo.http.options("/demo", headers={"Origin": origin} if origin else {})
    assert answer.status_code == 204
    named = {name: value for name, value in answer.headers if name.startswith("Access-Control")}
    assert (named.get("Access-Control-Allow-Methods"), named.get("Access-Control-Allow-Headers")) == (
        ("POST", "content-type") if allowed else (None, None)
    )
    assert demo.events == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/demo"), ("POST", "/"), ("POST", "/demo/x"), ("PUT", "/demo")])
def test_there_is_one_route(method, path):
    answer = Demo().http.open(path, method=method)
    assert (answer.status_code, answer.json) == (404, {"message": "Not Found"})


def test_too_many_requests_are_refused_before_the_function_and_without_leave_to_see_why():
    demo = Demo(requests_per_second=1, burst=2)
    answers = [demo.post(b"x", **HERE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[-1].json == {"message": "Too Many Requests"}
    assert "Access-Control-Allow-Origin" not in answers[-1].headers
    assert len(demo.events) == 2


def test_a_throttle_gives_back_what_time_brings_and_no_more_than_a_burst():
    now = [0.0]
    throttle = Throttle(2, 3, lambda: now[0])
    assert [throttle.takes() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [throttle.takes() for _ in range(2)] == [True, False]
    now[0] = 100
    assert [throttle.takes() for _ in range(4)] == [True, True, True, False]


def test_a_request_over_10_mb_is_refused():
    answer = Demo().post(b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json) == (413, {"message": "Request Entity Too Large"})


def test_a_function_that_raises_is_not_quoted():
    def fails(_event):
        raise ValueError("secret")

    demo = Demo(fails)
    answer = demo.post()
    assert (answer.status_code, answer.json) == (500, {"message": "Internal Server Error"})
    assert "ValueError: secret" in demo.said[0]


def test_a_function_that_takes_too_long_is_left_behind():
    gate = threading.Event()
    try:
        answer = Demo(lambda _: gate.wait(60), seconds=0.2).post()
        assert (answer.status_code, answer.json) == (503, {"message": "Service Unavailable"})
    finally:
        gate.set()


def test_more_than_concurrency_at_once_are_refused_and_never_run():
    """Lambda has no queue: what is too much is refused at once, and the function does not get it later."""
    gate, origin = threading.Event(), {"Origin": ORIGIN}
    demo = Demo(lambda _: {"statusCode": 200 if gate.wait(60) else 500}, concurrency=1)
    with ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(lambda: demo.app.test_client().post("/demo", data=b"x", content_type="text/plain"))
        try:
            until(lambda: len(demo.events) == 1, "the first request")
            refused = demo.post(b"too much", **origin)
            assert (refused.status_code, refused.json) == (503, {"message": "Service Unavailable"})
            assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
        finally:
            gate.set()
        assert first.result().status_code == 200
    assert demo.post().status_code == 200
    assert len(demo.events) == 2


def test_a_function_that_raises_makes_room_for_the_next():
    def fails(_event):
        raise ValueError

    demo = Demo(fails, concurrency=1)
    assert [demo.post().json["message"] for _ in range(2)] == ["Internal Server Error"] * 2


def test_a_call_that_goes_on_does_not_keep_the_program_from_ending():
    assert Demo(lambda _: {"daemon": threading.current_thread().daemon}).post().json == {"daemon": True}


@pytest.mark.parametrize(
    ("answered", "status", "body"),
    [
        ({"hello": 1}, 200, b'{"hello": 1}'),
        ("x", 200, b'"x"'),
        ({"statusCode": 200, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True}, 200, b"\xff"),
    ],
)
def test_what_a_function_may_answer(answered, status, body):
    answer = Demo(lambda _: answered).post()
    assert (answer.status_code, answer.data) == (status, body)
    assert json.dumps(answered)
