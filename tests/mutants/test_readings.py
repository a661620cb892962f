"""What the checks make of an answer, in the cases that no mutant shows."""

from datetime import timedelta

import pytest
import requests

from contract.asking import Padded, in_pieces, is_another
from contract.bad_bodies import has_syntax, undecodable, words_for_data
from contract.headers import DOCUMENTED, LONG, UNKNOWN, fault_of_attributes, fault_of_session
from contract.jobs import faults_of_parameters
from contract.load import callers_for
from contract.metrics import is_prometheus
from contract.running import ask
from contract.samples import Sample
from contract.targets import RunningServer


def answered(content=b"", seconds=0.0):
    answer = requests.Response()
    answer._content = content
    answer.elapsed = timedelta(seconds=seconds)
    return answer


@pytest.mark.parametrize("value", ["", "trace-id=1234", "a b; c=\t1", "a" * 1024])
def test_visible_ascii_is_fine_as_custom_attributes(value):
    assert fault_of_attributes(value) == ""


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a" * 1025, "1025 characters; SageMaker passes on at most 1024"),
        ("gr\xfcn", "characters that are not visible ASCII: 'gr\\xfcn'"),
        ("a\x00", "characters that are not visible ASCII: 'a\\x00'"),
    ],
)
def test_other_custom_attributes_are_a_fault(value, fault):
    assert fault_of_attributes(value) == fault


def test_the_headers_that_are_sent_are_themselves_within_the_rules():
    assert all(len(value) <= 1024 and value.isascii() for value in {**UNKNOWN, **DOCUMENTED, **LONG}.values())


@pytest.mark.parametrize("value", ["a-session; Expires=2030-01-31T00:00:00Z", "A1; Expires=2030-01-31T00:00:00Z"])
def test_a_session_with_its_end_is_fine(value):
    assert fault_of_session(value) == ""


FORM = "not of the form `ID; Expires=yyyy-mm-ddThh:mm:ssZ`, the id of letters, digits and hyphens"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "the header is missing"),
        ("a-session", FORM),
        ("a_session; Expires=2030-01-31T00:00:00Z", FORM),
        ("a; Expires=2030-01-31T00:00:00+00:00", FORM),
        ("a" * 256 + "; Expires=2030-01-31T00:00:00Z", "286 characters; SageMaker takes at most 256"),
    ],
)
def test_another_session_header_is_a_fault(value, fault):
    assert fault_of_session(value) == fault


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 25}',
        b'{"MaxConcurrentTransforms": 64}',
        b'{"MaxPayloadInMB": 0}',
        b'{"MaxPayloadInMB": 6, "Another": "key"}',
    ],
)
def test_parameters_that_a_job_can_go_by_are_fine(body):
    assert faults_of_parameters(body) == []


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"<p>Welcome", ["no JSON"]),
        (b"[4]", ["no JSON object"]),
        (b'{"MaxPayloadInMB": "6"}', ["MaxPayloadInMB is no whole number"]),
        (b'{"MaxConcurrentTransforms": true}', ["MaxConcurrentTransforms is no whole number"]),
        (b'{"MaxPayloadInMB": 101}', ["MaxPayloadInMB is more than 100"]),
        (
            b'{"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 51}',
            ["MaxConcurrentTransforms times MaxPayloadInMB is more than 100"],
        ),
        (b'{"BatchStrategy": "MultiRecord"}', ["BatchStrategy is none of MULTI_RECORD, SINGLE_RECORD"]),
    ],
)
def test_other_parameters_are_a_fault(body, faults):
    assert faults_of_parameters(body) == faults


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n",
        'requests_total{code="200",method="post"} 1027 1395066363000\n',
        'quoted{text="a \\"b\\" } c",} 3e-05\n',
        "temperature NaN\nlimit +Inf\n",
    ],
)
def test_metrics_are_told(text):
    assert is_prometheus(text)


@pytest.mark.parametrize("text", ["<p>Welcome", '{"up": 1}', "up", "up one", "Hello world 1"])
def test_what_is_no_metrics_is_told(text):
    assert not is_prometheus(text)


def test_a_body_is_another_one_only_if_plain_requests_are_answered_alike():
    assert not is_another(answered(b"1"), answered(b"1"), pytest.fail)
    assert is_another(answered(b"2"), answered(b"1"), lambda: answered(b"1"))
    assert not is_another(answered(b"2"), answered(b"1"), lambda: answered(b"3"))


@pytest.mark.parametrize(("seconds", "callers"), [(0.0, 32), (0.1, 32), (0.5, 20), (5, 8)])
def test_a_slow_model_meets_fewer_callers(seconds, callers):
    assert callers_for(answered(seconds=seconds)) == callers


def test_padding_makes_the_size_that_was_asked_for():
    padded = Padded(b"1,2\n", 200_000)
    assert len(padded) == len(b"".join(padded)) == 200_000
    assert b"".join(padded).strip() == b"1,2"


@pytest.mark.parametrize("body", [b"1", b"1,2\n", b"1,2\n" * 1000])
def test_pieces_are_the_body_and_none_is_empty(body):
    pieces = list(in_pieces(body))
    assert b"".join(pieces) == body
    assert all(pieces)


@pytest.mark.parametrize(
    ("content_type", "expected"), [("text/csv; charset=utf-8", True), ("text/plain", False), ("image/png", False)]
)
def test_only_formats_with_a_syntax_have_bodies_that_nobody_can_read(content_type, expected):
    assert has_syntax(Sample(b"", content_type)) is expected


@pytest.mark.parametrize("content_type", ["text/csv", "application/json", "application/jsonlines"])
def test_bad_bodies_hold_the_word_that_is_looked_for_in_the_answer(content_type):
    sample = Sample(b"1,2,3\n", content_type)
    bodies = words_for_data(sample, b"word")
    assert bodies
    assert all(b"word" in body for body in [*bodies, undecodable(sample, b"word")])


def test_no_answer_has_the_status_0_and_the_reason():
    nobody = RunningServer("http://127.0.0.1:1")
    answer = ask(nobody, b"", {})
    assert (answer.status_code, answer.reason, answer.content) == (0, "ConnectionError", b"")
