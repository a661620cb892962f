"""A hook that yields streams: which hooks may, what each part becomes, and what an error does before the first one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import ECHO, ask, load_code, separate_imports
from serving.errors import ModelFailed, NotAcceptable, RequestError, UnprocessableInput
from serving.inference import InferenceResponse

START = "from flask import Response\ndef model_fn(model_dir):\n    return 'the model'\n"


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def parts_of(answer: InferenceResponse) -> list[bytes]:
    return [answer.body, *(answer.rest or ())]


def predicting(body: str) -> str:
    """Return a model whose `predict_fn` has this body."""
    return f"import numpy as np\nimport pandas as pd\n{START}\ndef predict_fn(data, model):\n    {body}\n"


OUTPUT_HOOKS = {
    "output_fn": "output_fn(prediction, accept)",
    "transform_fn": "transform_fn(model, body, content_type, accept)",
}


def answering(hook: str, returned: str) -> str:
    """Return a model whose output hook returns what the expression says; `parts()` yields two parts."""
    predict = "" if hook == "transform_fn" else "def predict_fn(data, model):\n    return data\n"
    parts = "def parts():\n    yield 'one,'\n    yield b'two'\n"
    return f"import io\n{START}{predict}{parts}def {OUTPUT_HOOKS[hook]}:\n    return {returned}\n"


every_output_hook = pytest.mark.parametrize("hook", OUTPUT_HOOKS)


# -- what streams


@every_output_hook
@pytest.mark.parametrize(
    ("returned", "content_type"),
    [
        ("parts()", "application/json"),
        ("(parts(), 'text/csv')", "text/csv"),
        ("iter(['one,', b'two'])", "application/json"),
        ("map(str, ['one,', 'two'])", "application/json"),
        ("(part for part in ['one,', bytearray(b'two')])", "application/json"),
        ("Response(parts(), mimetype='text/csv')", "text/csv; charset=utf-8"),
    ],
)
def test_an_output_hook_streams_with_any_iterator(tmp_path: Path, hook: str, returned: str, content_type: str) -> None:
    answer = ask(load_code(tmp_path, answering(hook, returned)), "[[1]]")
    assert answer.content_type == content_type
    assert parts_of(answer) == [b"one,", b"two"]


@every_output_hook
def test_an_output_hook_that_is_a_generator_itself_streams(tmp_path: Path, hook: str) -> None:
    code = answering(hook, "None").rpartition("    return")[0] + "    yield 'one,'\n    yield 'two'\n"
    assert parts_of(ask(load_code(tmp_path, code), "[[1]]")) == [b"one,", b"two"]


def test_the_response_of_awss_toolkit_streams_too(tmp_path: Path) -> None:
    code = answering("output_fn", "worker.Response(parts(), mimetype='text/csv')")
    answer = ask(load_code(tmp_path, f"from sagemaker_containers.beta.framework import worker\n{code}"), "[[1]]")
    assert (answer.content_type, parts_of(answer)) == ("text/csv", [b"one,", b"two"])


@every_output_hook
@pytest.mark.parametrize("returned", ["'whole'", "['whole'][0]", "Response('whole')", "Response(['wh', 'ole'])"])
def test_an_answer_that_is_no_iterator_does_not_stream(tmp_path: Path, hook: str, returned: str) -> None:
    answer = ask(load_code(tmp_path, answering(hook, returned)), "[[1]]")
    assert (answer.body, answer.rest) == (b"whole", None)


def test_the_generator_of_a_predict_fn_is_handed_to_ones_own_output_fn(tmp_path: Path) -> None:
    code = (
        predicting("yield from ['a', 'b']") + "\ndef output_fn(prediction, accept):\n    return '+'.join(prediction)\n"
    )
    answer = ask(load_code(tmp_path, code), "[[1]]")
    assert (answer.body, answer.rest) == (b"a+b", None)


def test_a_model_whose_own_method_yields_streams(tmp_path: Path) -> None:
    code = """
        class Counter:
            def predict(self, rows):
                yield from range(2)

        def model_fn(model_dir):
            return Counter()
        """
    assert parts_of(ask(load_code(tmp_path, code), "[[1]]")) == [b"0\n", b"1\n"]


# -- predictions as records


@pytest.mark.parametrize(
    ("accept", "content_type", "csv"),
    [
        (None, "application/jsonlines", False),
        ("*/*", "application/jsonlines", False),
        ("application/json", "application/jsonlines", False),
        ("text/json", "application/jsonlines", False),
        ("application/jsonlines", "application/jsonlines", False),
        ("application/x-ndjson", "application/x-ndjson", False),
        ("text/csv", "text/csv", True),
        ("application/x-npy, text/csv;q=0.5", "text/csv", True),
    ],
)
def test_predictions_that_are_yielded_are_lines_of_json_or_csv(
    tmp_path: Path, accept: str | None, content_type: str, csv: bool
) -> None:
    model = load_code(tmp_path, predicting("yield [1.5, 'a,b']; yield [2, None]"))
    answer = ask(model, "[[1]]", accept=accept)
    assert answer.content_type == content_type
    expected = [b'1.5,"a,b"\n', b"2,\n"] if csv else [b'[1.5, "a,b"]\n', b"[2, null]\n"]
    assert parts_of(answer) == expected


@pytest.mark.parametrize(("default", "content_type"), [("text/csv", "text/csv"), ("application/x-npy", None)])
def test_the_models_default_type_holds_for_a_stream_if_it_has_lines(
    tmp_path: Path, default: str, content_type: str | None
) -> None:
    model = load_code(tmp_path, predicting("yield 1"), SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT=default)
    assert ask(model, "[[1]]").content_type == (content_type or "application/jsonlines")


def test_a_type_without_lines_is_not_acceptable_for_a_stream(tmp_path: Path) -> None:
    model = load_code(tmp_path, predicting("yield 1"))
    with pytest.raises(NotAcceptable) as refusal:
        ask(model, "[[1]]", accept="application/x-npy")
    assert refusal.value.status == 406
    assert refusal.value.message == (
        "Cannot answer in 'application/x-npy'; this model answers in application/jsonlines, text/csv, application/json."
    )


@pytest.mark.parametrize(
    ("record", "json_line", "csv_line"),
    [
        ("1.5", b"1.5\n", b"1.5\n"),
        ("{'label': 'a'}", b'{"label": "a"}\n', None),
        ("np.array([1.5, 2.0])", b"[1.5, 2.0]\n", b"1.5,2.0\n"),
        ("np.float32(0.5)", b"0.5\n", b"0.5\n"),
        ("pd.Series([1, 2])", b"[1, 2]\n", b"1,2\n"),
        ("float('nan')", b"null\n", b"nan\n"),
        ("'token '", b"token ", b"token "),
        ("b'bytes'", b"bytes", b"bytes"),
        ("bytearray(b'bytes')", b"bytes", b"bytes"),
        ("'sch\\u00f6n'", "schön".encode(), "schön".encode()),
    ],
)
def test_a_record_is_a_line_and_text_is_as_it_is(
    tmp_path: Path, record: str, json_line: bytes, csv_line: bytes | None
) -> None:
    model = load_code(tmp_path, predicting(f"yield {record}"))
    assert ask(model, "[[1]]").body == json_line
    if csv_line is not None:
        assert ask(model, "[[1]]", accept="text/csv").body == csv_line


def test_a_stream_may_have_any_number_of_records(tmp_path: Path) -> None:
    model = load_code(tmp_path, predicting("yield from range(3)"))
    assert ask(model, "1\n2\n", "text/csv").read() == b"0\n1\n2\n"


# -- the parts


def test_nothing_but_the_first_part_is_computed_before_it_is_asked_for(tmp_path: Path) -> None:
    model = load_code(tmp_path, predicting("\n    for n in range(3):\n        model.append(n)\n        yield n"))
    computed: list[int] = []
    object.__setattr__(model, "loaded", computed)
    answer = ask(model, "[[1]]")
    assert computed == [0]
    assert next(answer.rest) == b"1\n"
    assert computed == [0, 1]


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    """An empty chunk would be the end of the body."""
    model = load_code(tmp_path, answering("output_fn", "iter(['', 'a', b'', '', 'b', ''])"))
    assert parts_of(ask(model, "[[1]]")) == [b"a", b"b"]


@every_output_hook
@pytest.mark.parametrize("returned", ["iter([])", "iter(['', b''])"])
def test_a_stream_of_nothing_is_an_empty_body(tmp_path: Path, hook: str, returned: str) -> None:
    answer = ask(load_code(tmp_path, answering(hook, returned)), "[[1]]")
    assert (answer.body, answer.rest) == (b"", None)


def test_a_streamed_answer_can_be_read_whole(tmp_path: Path) -> None:
    model = load_code(tmp_path, predicting("\n    try:\n        yield 1\n    finally:\n        data[0, 0] = 2"))
    assert ask(model, "[[1]]").read() == b"1\n"


def test_an_answer_that_does_not_stream_is_read_as_it_is() -> None:
    assert InferenceResponse(b"body", "text/csv").read() == b"body"


# -- errors


@every_output_hook
@pytest.mark.parametrize(("part", "named"), [("1", "int"), ("None", "NoneType"), ("['a']", "list")])
def test_a_part_that_cannot_be_sent_is_named(tmp_path: Path, hook: str, part: str, named: str) -> None:
    with pytest.raises(ModelFailed) as caught:
        ask(load_code(tmp_path, answering(hook, f"iter([{part}])")), "[[1]]")
    assert caught.value.message == f"{hook} yielded {named}; expected str or bytes."


def test_a_failure_before_the_first_part_is_an_answer_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed) as caught:
        ask(load_code(tmp_path, predicting("raise KeyError('secret'); yield")), "[[1]]")
    assert caught.value.message == "predict_fn failed (KeyError); the log has the details."
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_refusal_before_the_first_part_keeps_its_status(tmp_path: Path) -> None:
    code = "from serving.errors import UnprocessableInput\n" + predicting("raise UnprocessableInput('No.'); yield")
    with pytest.raises(UnprocessableInput, match=r"^No\.$"):
        ask(load_code(tmp_path, code), "[[1]]")


def test_an_error_with_a_status_code_before_the_first_part_is_an_answer_of_the_users_own(tmp_path: Path) -> None:
    refused = "class Refused(Exception):\n    status_code = 409\n"
    with pytest.raises(RequestError) as caught:
        ask(load_code(tmp_path, refused + predicting("raise Refused('busy'); yield")), "[[1]]")
    assert (caught.value.status, caught.value.code, caught.value.message) == (409, "predict_fn_refused", "busy")


@pytest.mark.parametrize("kind", ["Response", "worker.Response"])
def test_a_streamed_response_with_an_error_status_is_no_success(tmp_path: Path, kind: str) -> None:
    code = answering("output_fn", f"{kind}(parts(), status=409)")
    with pytest.raises(RequestError) as caught:
        ask(load_code(tmp_path, f"from sagemaker_containers.beta.framework import worker\n{code}"), "[[1]]")
    assert (caught.value.status, caught.value.code, caught.value.message) == (409, "output_fn_refused", "one,two")


def test_a_failure_after_the_first_part_comes_with_the_next(tmp_path: Path) -> None:
    answer = ask(load_code(tmp_path, predicting("yield 1; raise KeyError('secret')")), "[[1]]")
    with pytest.raises(ModelFailed, match=r"^predict_fn failed \(KeyError\)"):
        next(answer.rest)


@every_output_hook
@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("'text/csv\\r\\nX-Evil: 1'", "{} returned a content type that cannot be sent; expected at most 1024"),
        ("'text/' + 'x' * 1020", "{} returned a content type that cannot be sent; expected at most 1024"),
        ("None", "{} returned NoneType as the content type; expected"),
    ],
)
@pytest.mark.parametrize("body", ["parts()", "'whole'"])
def test_a_content_type_that_cannot_be_sent_is_the_hooks_fault(
    tmp_path: Path, hook: str, body: str, content_type: str, message: str
) -> None:
    with pytest.raises(ModelFailed) as caught:
        ask(load_code(tmp_path, answering(hook, f"({body}, {content_type})")), "[[1]]")
    assert caught.value.message.startswith(message.format(hook))


# -- cleaning up

NOTING = """
    class Noting:
        def __init__(self, journal):
            self.journal, self.parts = journal, iter(["a", "b"])

        def __iter__(self):
            return self

        def __next__(self):
            if self.journal == ["fail"]:
                raise RuntimeError("no")
            return next(self.parts)

        def close(self):
            self.journal.append("closed")

    def model_fn(model_dir):
        return []

    def predict_fn(data, model):
        return model

    def output_fn(prediction, accept):
        return Noting(prediction)
    """


def test_closing_an_answer_closes_the_users_iterator(tmp_path: Path) -> None:
    model = load_code(tmp_path, NOTING)
    answer = ask(model, "[[1]]")
    assert model.loaded == []
    answer.rest.close()
    assert model.loaded == ["closed"]


def test_an_iterator_that_fails_at_once_is_closed(tmp_path: Path) -> None:
    model = load_code(tmp_path, NOTING)
    model.loaded.append("fail")
    with pytest.raises(ModelFailed):
        ask(model, "[[1]]")
    assert model.loaded == ["fail", "closed"]


def test_reading_an_answer_whole_closes_the_users_iterator(tmp_path: Path) -> None:
    model = load_code(tmp_path, NOTING)
    assert ask(model, "[[1]]").read() == b"ab"
    assert model.loaded == ["closed"]


def test_closing_runs_a_generators_finally(tmp_path: Path) -> None:
    body = "\n    try:\n        yield 1\n        yield 2\n    finally:\n        model.append('finally')"
    model = load_code(tmp_path, predicting(body).replace("return 'the model'", "return []"))
    answer = ask(model, "[[1]]")
    answer.rest.close()
    assert model.loaded == ["finally"]
    assert list(answer.rest) == []


def test_a_flask_response_is_closed_with_its_stream(tmp_path: Path) -> None:
    code = """
        from flask import Response

        def model_fn(model_dir):
            return []

        def transform_fn(model, body, content_type, accept):
            response = Response(part for part in ["a", "b"])
            response.call_on_close(lambda: model.append("closed"))
            return response
        """
    model = load_code(tmp_path, code)
    answer = ask(model, "[[1]]")
    assert model.loaded == []
    answer.rest.close()
    assert model.loaded == ["closed"]


def test_a_finally_that_fails_is_the_hooks_fault(tmp_path: Path) -> None:
    body = "\n    try:\n        yield 1\n        yield 2\n    finally:\n        raise KeyError('no')"
    answer = ask(load_code(tmp_path, predicting(body)), "[[1]]")
    with pytest.raises(ModelFailed, match=r"^predict_fn failed \(KeyError\)"):
        answer.rest.close()


def test_hooks_that_yield_see_the_context_like_others(tmp_path: Path) -> None:
    code = f"{ECHO}\ndef predict_fn(data, model, context):\n    yield context.get_request_id()\n"
    assert ask(load_code(tmp_path, code), "[[1]]", request_id="id-1").read() == b"id-1"


def test_a_stream_of_json_lines_reads_back(tmp_path: Path) -> None:
    model = load_code(tmp_path, predicting("yield from ([n, str(n)] for n in range(5))"))
    lines = ask(model, "[[1]]").read().decode().splitlines()
    assert [json.loads(line) for line in lines] == [[n, str(n)] for n in range(5)]
