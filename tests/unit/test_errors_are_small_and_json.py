"""The body of every error: the same JSON, short enough for SageMaker to relay."""

import json

import pytest

from serving.errors import (
    BadRequest,
    DeadlineExceeded,
    ModelFailed,
    NotAcceptable,
    NotReady,
    PayloadTooLarge,
    RequestError,
    UnprocessableInput,
    UnsupportedMediaType,
    error_body,
)

LONGEST_ID = "a" * 64


def test_the_body_holds_code_message_and_request_id() -> None:
    found = json.loads(error_body("bad_request", "Row 1 is not a text.", "id-1"))
    assert found == {"error": {"code": "bad_request", "message": "Row 1 is not a text.", "request_id": "id-1"}}


def test_a_missing_request_id_is_null() -> None:
    assert json.loads(error_body("code", "message", None))["error"]["request_id"] is None


@pytest.mark.parametrize(
    "message",
    [
        "a" * 10_000,
        "é" * 10_000,
        "漢" * 10_000,
        "\N{GRINNING FACE}" * 10_000,
        '"' * 10_000,
        "\0" * 10_000,
        "\\" * 10_000,
    ],
    ids=["ascii", "two bytes", "three bytes", "four bytes", "quotes", "control characters", "backslashes"],
)
def test_the_body_is_at_most_1_kb_whatever_the_message(message: str) -> None:
    assert len(error_body("unsupported_media_type", message, LONGEST_ID)) <= 1024


def test_a_long_message_is_cut_with_an_ellipsis() -> None:
    message = json.loads(error_body("code", "a" * 10_000, None))["error"]["message"]
    assert message.endswith("a…")


@pytest.mark.parametrize("rest", ["é", "漢", "\N{GRINNING FACE}", '"', "\0"])
def test_the_beginning_of_a_long_message_is_kept(rest: str) -> None:
    body = error_body("code", f"The beginning. {rest * 5000}", LONGEST_ID)
    assert json.loads(body)["error"]["message"].startswith("The beginning. ")
    assert len(body) > 900


def test_a_request_id_that_is_too_long_leaves_room_for_the_error() -> None:
    """nginx lets none through, but nothing says that nginx is there."""
    body = error_body("bad_request", "Row 1 is not a text.", "i" * 5000)
    assert len(body) <= 1024
    assert json.loads(body)["error"]["message"].startswith("Row 1")


def test_a_message_that_fits_is_not_cut() -> None:
    assert json.loads(error_body("code", "a" * 600, None))["error"]["message"] == "a" * 600


def test_half_a_surrogate_pair_in_a_message_is_no_reason_to_fail() -> None:
    """A user's exception may quote text that was cut in the middle of an emoji."""
    assert b'"code"' in error_body("code", "cut \ud83d", None)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadRequest, 400, "bad_request"),
        (NotAcceptable, 406, "not_acceptable"),
        (PayloadTooLarge, 413, "payload_too_large"),
        (UnsupportedMediaType, 415, "unsupported_media_type"),
        (UnprocessableInput, 422, "unprocessable_input"),
        (RequestError, 500, "internal_error"),
        (ModelFailed, 500, "model_failed"),
        (NotReady, 503, "not_ready"),
        (DeadlineExceeded, 504, "deadline_exceeded"),
    ],
)
def test_each_error_has_its_status_and_its_code(error: type[RequestError], status: int, code: str) -> None:
    found = error("message")
    assert (found.status, found.code, found.message) == (status, code, "message")


def test_an_error_may_have_a_status_and_a_code_of_its_own() -> None:
    found = RequestError("message", status=409, code="conflict")
    assert (found.status, found.code) == (409, "conflict")
