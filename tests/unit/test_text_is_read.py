"""text/plain: the whole body is one text, for models that take texts."""

from pathlib import Path

import pytest

from builders import TABLE, TEXT, ask, read
from serving.errors import RequestError, UnsupportedMediaType
from serving.hooks import Hooks
from serving.model import Model
from serving.schema import InputSchema


class Upper:
    """A text model."""

    def predict(self, texts: list[str]) -> list[str]:
        """Return the texts in capitals."""
        return [text.upper() for text in texts]


def model(schema: InputSchema) -> Model:
    return Model(Upper(), Hooks(), schema, "application/json", Path("/model"))


def test_the_body_is_the_text() -> None:
    assert ask(model(TEXT), "good, is it?", "text/plain").body == b'["GOOD, IS IT?"]'


@pytest.mark.parametrize("body", ["good", "good\n", "good\r\n", "\ufeffgood"])
def test_the_last_line_end_and_a_byte_order_mark_are_no_part_of_it(body: str) -> None:
    assert read(body, "text/plain", TEXT) == ["good"]


def test_lines_inside_the_text_stay() -> None:
    assert read("one\ntwo\n", "text/plain", TEXT) == ["one\ntwo"]


def test_the_charset_parameter_is_honoured() -> None:
    assert read("Köln".encode("latin-1"), "text/plain; charset=iso-8859-1", TEXT) == ["Köln"]


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(RequestError, match=r"^The body is empty\.$"):
        read(b"", "text/plain", TEXT)


def test_a_model_that_takes_no_texts_refuses_it_and_lists_what_it_takes() -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        ask(model(TABLE), "M,0.5", "text/plain")
    assert caught.value.status == 415
    assert "text/plain" in caught.value.message
    assert caught.value.message.endswith("send text/csv, application/json, application/jsonlines, application/x-npy.")


@pytest.mark.parametrize("content_type", ["application/xml", "application/x-www-form-urlencoded", "text/libsvm", "csv"])
def test_an_unknown_type_is_refused_with_a_list_of_the_known_ones(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        ask(model(TEXT), "M,0.5", content_type)
    assert caught.value.status == 415
    assert content_type in caught.value.message
    assert "send text/csv, application/json, application/jsonlines, application/x-npy, text/plain." in (
        caught.value.message
    )


def test_plain_text_is_not_on_the_list_of_a_model_that_takes_no_texts() -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        ask(model(TABLE), "M,0.5", "application/xml")
    assert "text/plain" not in caught.value.message
