"""Headers of the answer from hooks: what SageMaker passes on, in the form that it demands, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import ECHO, ask, load_code, separate_imports
from serving.errors import ModelFailed, StartError
from serving.inference import Context
from serving.response_headers import MAX_TOTAL

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION = "X-Amzn-SageMaker-Session-Id"
CLOSED_SESSION = "X-Amzn-SageMaker-Closed-Session-Id"
EXPIRES = "; Expires=2026-11-20T14:30:00Z"


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def refusal(name: Any, value: Any) -> str:
    """Return the message of the refusal to set a header; nothing is set."""
    context = Context("/model")
    with pytest.raises(ModelFailed) as caught:
        context.set_response_header(0, name, value)
    assert (caught.value.status, caught.value.code) == (500, "model_failed")
    assert context.get_response_headers() == {}
    return caught.value.message


def test_headers_are_returned_as_they_were_set() -> None:
    context = Context("/model")
    context.set_response_header(0, "X-Colour", "red and blue")
    context.set_response_header(0, ATTRIBUTES, "a=1")
    assert context.get_response_headers() == {"X-Colour": "red and blue", ATTRIBUTES: "a=1"}
    assert context.get_response_headers(0) == context.get_response_headers()


def test_a_header_that_is_set_again_has_the_last_value_whatever_its_case() -> None:
    context = Context("/model")
    context.set_response_header(0, "X-Colour", "red")
    context.set_response_header(0, "x-colour", "blue")
    assert context.get_response_headers() == {"x-colour": "blue"}


def test_what_a_hook_does_to_the_headers_it_got_changes_nothing() -> None:
    context = Context("/model")
    context.get_response_headers()["X-Colour"] = "red"
    assert context.get_response_headers() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (ATTRIBUTES, "!" * 1024),
        (ATTRIBUTES, "trace=1, shop=2;~"),
        (ATTRIBUTES, ""),
        (SESSION, f"a{EXPIRES}"),
        (SESSION, f"{'a' * (256 - len(EXPIRES))}{EXPIRES}"),
        (SESSION, f"0-b--C{EXPIRES}"),
        (CLOSED_SESSION, "a-b"),
        (CLOSED_SESSION, "a" * 256),
        ("X-Any", "x" * 4000),
        ("X_Any.~", 'a "quoted" one, with {braces}'),
    ],
)
def test_what_sagemaker_documents_is_taken(name: str, value: str) -> None:
    context = Context("/model")
    context.set_response_header(0, name, value)
    assert context.get_response_headers() == {name: value}


@pytest.mark.parametrize("name", [ATTRIBUTES, ATTRIBUTES.lower(), ATTRIBUTES.upper()])
def test_custom_attributes_have_1024_characters_at_most(name: str) -> None:
    expected = f"The response header {name!r} is not at most 1024 visible US-ASCII characters."
    assert refusal(name, "x" * 1025) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "",
        EXPIRES,
        f"{'a' * (257 - len(EXPIRES))}{EXPIRES}",
        f"-a{EXPIRES}",
        f"a-{EXPIRES}",
        f"a b{EXPIRES}",
        "a;Expires=2026-11-20T14:30:00Z",
        "a; Expires=2026-11-20 14:30:00",
        "a; Expires=2026-11-20T14:30:00.000Z",
        "a; Path=/; Expires=2026-11-20T14:30:00Z",
        f"NEW_SESSION{EXPIRES}",
    ],
)
def test_a_session_opens_with_an_id_and_its_end(value: str) -> None:
    assert refusal(SESSION, value) == (
        f"The response header {SESSION!r} is not an id of letters, digits and inner hyphens, "
        "then '; Expires=yyyy-mm-ddThh:mm:ssZ', at most 256 characters."
    )


@pytest.mark.parametrize("value", ["", "-", "a-", "a_b", "a" * 257, f"a{EXPIRES}"])
def test_a_session_closes_with_its_id(value: str) -> None:
    expected = f"The response header {CLOSED_SESSION!r} is not an id of at most 256 letters, digits and inner hyphens."
    assert refusal(CLOSED_SESSION, value) == expected


@pytest.mark.parametrize("name", [ATTRIBUTES, SESSION, CLOSED_SESSION, "X-Any"])
@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\n", "\ra", "a\0", "a\tb", "a\x7f", "schön", "a\x80", " a", "a ", " ", "٣"]
)
def test_what_http_has_no_place_for_is_refused_in_every_header(name: str, value: str) -> None:
    assert refusal(name, value) == (
        f"The response header {name!r} holds what cannot be sent: use visible US-ASCII characters, "
        "with spaces only between them."
    )


@pytest.mark.parametrize(("value", "kind"), [(1, "int"), (None, "NoneType"), (b"a", "bytes"), (["a"], "list")])
def test_a_value_that_is_no_text_is_refused(value: Any, kind: str) -> None:
    assert refusal("X-Any", value) == f"The response header 'X-Any' is of type {kind}, not str."


@pytest.mark.parametrize("name", ["", "X Any", "X:Any", "X-Any\r\n", "Größe", "(x)", 'X"', None, 3, b"X-Any"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    message = f"The response header {name!r} has no valid name: use letters, digits and hyphens."
    assert refusal(name, "a") == message


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Date",
        "Server",
        "X-Request-Id",
        "x-request-ID",
        "X-Accel-Redirect",
        "x-accel-buffering",
        "Keep-Alive",
        "Trailer",
        "Upgrade",
    ],
)
def test_the_servers_own_headers_are_refused(name: str) -> None:
    assert refusal(name, "a") == f"The response header {name!r} is the server's own, and not for hooks to set."


def test_the_content_type_goes_with_the_body() -> None:
    expected = "The response header 'Content-Type' is the server's: return (body, content type) instead."
    assert refusal("content-type", "text/csv") == expected


def test_all_headers_together_fit_into_nginxs_buffer() -> None:
    context = Context("/model")
    context.set_response_header(0, "A", "x" * (MAX_TOTAL - 2))
    with pytest.raises(ModelFailed) as caught:
        context.set_response_header(0, "B", "x")
    assert caught.value.message == "The response headers are too long with 'B': 8193 bytes, of 8192."
    assert list(context.get_response_headers()) == ["A"]


def test_the_value_is_for_the_log_and_there_it_is_cut_short() -> None:
    with pytest.raises(ModelFailed) as caught:
        Context("/model").set_response_header(0, CLOSED_SESSION, "secret_" + "x" * 1000)
    assert "secret" not in caught.value.message
    assert str(caught.value.__cause__).startswith("found 'secret_xxx")
    assert len(str(caught.value.__cause__)) < 100


# -- through the model

HOOKS = [
    "input_fn(body, content_type, context)",
    "predict_fn(data, model, context)",
    "output_fn(data, accept, context)",
]
SET = "context.set_response_header(0, 'X-Amzn-SageMaker-Custom-Attributes', 'a=1')"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_of_a_request_can_set_headers(tmp_path: Path, hook: str) -> None:
    answer = "'[[1]]'" if hook.startswith("output_fn") else "[[1]]"
    model = load_code(tmp_path, f"{ECHO}\ndef {hook}:\n    {SET}\n    return {answer}\n")
    found = ask(model, "[[1]]")
    assert (found.body, found.headers) == (b"[[1]]", {ATTRIBUTES: "a=1"})


def test_transform_fn_can_set_headers_and_see_those_that_are_set(tmp_path: Path) -> None:
    model = load_code(
        tmp_path,
        f"""
        def model_fn(model_dir):
            return 1

        def transform_fn(model, body, content_type, accept, context):
            {SET}
            return str(context.get_response_headers())
        """,
    )
    found = ask(model, "[[1]]")
    assert (found.body.decode(), found.headers) == (str(found.headers), {ATTRIBUTES: "a=1"})


def test_headers_are_those_of_one_request(tmp_path: Path) -> None:
    hook = "def predict_fn(data, model, context):\n    if data[0, 0]:\n        " + SET + "\n    return data\n"
    model = load_code(tmp_path, f"{ECHO}\n{hook}")
    assert ask(model, "[[1]]").headers == {ATTRIBUTES: "a=1"}
    assert ask(model, "[[0]]").headers == {}


def test_a_refused_header_is_the_answer_of_the_request(tmp_path: Path) -> None:
    hook = f"def predict_fn(data, model, context):\n    context.set_response_header(0, {SESSION!r}, 'NEW')\n"
    with pytest.raises(ModelFailed, match=SESSION):
        ask(load_code(tmp_path, f"{ECHO}\n{hook}"), "[[1]]")


def test_a_stream_may_set_headers_until_its_first_part(tmp_path: Path) -> None:
    hook = f"def predict_fn(data, model, context):\n    {SET}\n    yield 'first'\n    {SET}\n    yield 'second'\n"
    answer = ask(load_code(tmp_path, f"{ECHO}\n{hook}"), "[[1]]")
    assert (answer.body, answer.headers) == (b"first", {ATTRIBUTES: "a=1"})
    with pytest.raises(ModelFailed) as late:
        next(answer.rest)
    assert late.value.message == (
        f"The response header {ATTRIBUTES!r} comes too late: the answer has begun. Set headers before its first part."
    )


def test_model_fn_has_no_answer_to_set_headers_for(tmp_path: Path) -> None:
    code = f"def model_fn(model_dir, context):\n    {SET}\n    return 1\n"
    with pytest.raises(StartError, match="comes too late: model_fn has no request, and so no answer, to set it for"):
        load_code(tmp_path, code)


def test_the_callers_own_attributes_can_be_echoed(tmp_path: Path) -> None:
    hook = (
        "def predict_fn(data, model, context):\n"
        f"    context.set_response_header(0, {ATTRIBUTES!r}, context.get_request_header(0, {ATTRIBUTES!r}))\n"
        "    return data\n"
    )
    model = load_code(tmp_path, f"{ECHO}\n{hook}")
    assert ask(model, "[[1]]", headers={ATTRIBUTES: "trace=7"}).headers == {ATTRIBUTES: "trace=7"}
