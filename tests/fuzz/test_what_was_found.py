"""What the fuzzer has found, each by its name, so that it stays mended."""

from pathlib import Path

import numpy as np
import pytest

from builders import ECHO, MATRIX, ask, load_code, npy, npy_with_header, read, separate_imports
from serving.errors import BadRequest, NotAcceptable
from serving.media_types import NPY, choose_accept
from serving.plain_requests import FIRST_LINE, read_plain_head


@pytest.mark.parametrize("value", ["\x1e", "a\x7f", "\x01", "a\x0bb"])
def test_a_head_with_a_control_character_is_not_plain(value: str) -> None:
    """gunicorn's parser refuses it: RFC 9110, section 5.5. A tab and what is beyond ASCII may be there."""
    head = f"{FIRST_LINE}Content-Length: 4\r\nX-A: {{}}\r\n\r\n"
    assert read_plain_head(head.format(value).encode(), None) is None
    assert read_plain_head(head.format("a\t\xff").encode("latin-1"), None).headers["x-a"] == "a\t\xff"


@pytest.mark.parametrize("header", ["text/\xe9", "a\tb", "x" * 1025], ids=["latin", "a tab", "long"])
def test_a_type_that_no_answer_can_have_is_406_where_a_hook_answers_in_any(tmp_path: Path, header: str) -> None:
    """It was a 500 of the hook, which had done nothing but return the type that it was asked for."""
    with separate_imports():
        model = load_code(tmp_path, f"{ECHO}\ndef output_fn(prediction, accept):\n    return 'answer'\n")
        assert ask(model, "1", "text/csv", "text/html").content_type == "text/html"
        with pytest.raises(NotAcceptable) as caught:
            ask(model, "1", "text/csv", header)
    assert caught.value.status == 406
    assert caught.value.message.endswith("; a media type has at most 1024 visible US-ASCII characters.")


def test_the_longest_type_that_an_answer_can_have_is_passed_on() -> None:
    assert choose_accept("x" * 1024, (), "text/csv") == "x" * 1024


@pytest.mark.parametrize(
    ("descr", "shape", "message"),
    [("4f8", "(2, 2)", "each of its places holds an array, ('<f8', (4,))"), ("<f8", "(-2, 2)", "its shape is (-2, 2)")],
    ids=["arrays in an array", "a negative length"],
)
def test_an_array_that_numpy_reads_otherwise_is_refused(descr: str, shape: str, message: str) -> None:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    with pytest.raises(BadRequest) as caught:
        read(npy_with_header(header, bytes(32)), NPY, MATRIX)
    assert caught.value.message == f"The body is not a NumPy array: {message}."
    assert read(npy(np.zeros((2, 2))), NPY, MATRIX).shape == (2, 2)
