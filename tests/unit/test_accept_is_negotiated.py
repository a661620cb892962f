"""Accept: the answer's media type is the caller's best choice among those that the model writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import ask
from serving.errors import NotAcceptable
from serving.hooks import Hooks
from serving.media_types import CSV, JSON, JSON_LINES, NPY, choose_accept
from serving.model import Model
from serving.schema import InputSchema

OFFERED = (JSON, CSV, JSON_LINES, NPY)


class Adder:
    """A model that adds each row's numbers up, and counts how often it was asked."""

    asked = 0

    def predict(self, rows: Any) -> Any:
        """Return one sum for each row."""
        self.asked += 1
        return rows.sum(axis=1)


def adder() -> Model:
    return Model(Adder(), Hooks(), InputSchema("matrix"), CSV, Path("/model"))


@pytest.mark.parametrize("header", [None, "", " ", "*/*", "*/*;q=0.1", "image/png, */*;q=0.1"])
def test_without_a_preference_the_answer_is_in_the_default_type(header: str | None) -> None:
    assert choose_accept(header, OFFERED, CSV) == CSV


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json;q=0.2", JSON),
        ("application/json, text/csv;q=0.9", JSON),
        ("application/json;q=0.4, text/csv;q=0.5", CSV),
        ("image/png, application/x-npy;q=0.1", NPY),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", CSV),
        ("application/jsonlines, */*;q=0.5", JSON_LINES),
        ("text/*", CSV),
        ("application/*", JSON),
        ("application/*;q=0.5, text/csv;q=0.1", JSON),
    ],
)
def test_the_most_wanted_type_on_offer_is_chosen(header: str, expected: str) -> None:
    assert choose_accept(header, OFFERED, CSV) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/csv;q=0, */*", JSON),
        ("text/csv;q=0, application/json;q=0, */*", JSON_LINES),
    ],
)
def test_a_type_with_q_0_is_never_chosen(header: str, expected: str) -> None:
    assert choose_accept(header, OFFERED, CSV) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json; charset=utf-8", JSON),
        ("application/json;charset=UTF-8;q=0.9, text/csv;q=0.1", JSON),
        ("application/jsonlines; verbose=true", JSON_LINES),
    ],
)
def test_parameters_of_an_accepted_type_do_not_matter(header: str, expected: str) -> None:
    assert choose_accept(header, OFFERED, CSV) == expected


@pytest.mark.parametrize(
    "header",
    ["image/png", "image/png, audio/*", "text/csv;q=0", "garbage", "application/x-npz", "*/*;q=0"],
)
def test_nothing_acceptable_is_406_and_says_what_the_model_answers_in(header: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        choose_accept(header, OFFERED, CSV)
    assert caught.value.status == 406
    assert caught.value.code == "not_acceptable"
    assert caught.value.message.endswith(
        "this model answers in text/csv, application/json, application/jsonlines, application/x-npy."
    )


def test_a_406_costs_the_model_nothing() -> None:
    model = adder()
    with pytest.raises(NotAcceptable):
        ask(model, "1,2", CSV, "image/png")
    assert model.loaded.asked == 0


@pytest.mark.parametrize(
    ("alias", "body"),
    [
        ("application/x-ndjson", b"3.0\n7.0\n"),
        ("application/jsonl", b"3.0\n7.0\n"),
        ("text/json", b"[3.0, 7.0]"),
    ],
)
def test_an_alias_is_answered_in_its_type_and_labelled_as_the_caller_spells_it(alias: str, body: bytes) -> None:
    answer = ask(adder(), "1,2\n3,4", CSV, alias)
    assert (answer.body, answer.content_type) == (body, alias)


@pytest.mark.parametrize("media_type", OFFERED)
def test_the_answer_is_labelled_with_its_type(media_type: str) -> None:
    assert ask(adder(), npy_of_two_rows(), NPY, media_type).content_type == media_type


def npy_of_two_rows() -> bytes:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + np.arange(4.0).tobytes()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG;level=9", "image/png"),
        ("image/*, application/vnd.custom+json;q=0.5", "application/vnd.custom+json"),
        ("text/csv;q=0.1, text/html", "text/html"),
        ("text/csv;q=0, text/html;q=0.1", "text/html"),
        ("*/*", JSON),
        (None, JSON),
    ],
)
def test_a_model_that_writes_its_own_answers_is_asked_for_the_most_wanted_type(
    header: str | None, expected: str
) -> None:
    assert choose_accept(header, (), JSON) == expected
