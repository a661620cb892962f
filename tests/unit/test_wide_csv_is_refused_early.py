"""A large CSV body of the wrong width is refused before it is taken apart, in the same words as a small one."""

import tracemalloc

import pytest

from builders import TABLE, read
from serving.csv_text import LARGE
from serving.errors import BadRequest

CSV = "text/csv"
GOOD = "M,1\n"
MANY = LARGE // len(GOOD) + 1


def refusal(body: str) -> str:
    with pytest.raises(BadRequest) as caught:
        read(body.encode(), CSV, TABLE)
    return caught.value.message


@pytest.mark.parametrize("after", ["", GOOD * MANY], ids=["small", "large"])
@pytest.mark.parametrize(("bad", "found"), [("M", 1), ("M,1,9,9", 4), ("M,1,9,", 4)])
def test_the_first_row_of_another_width_is_named(bad: str, found: int, after: str) -> None:
    expected = f"Row 3 has {found} columns; the model takes 2 (or 3 with 'rings' as the last)."
    assert refusal(f"{GOOD}{GOOD}{bad}\n{after}") == expected


def test_a_large_body_with_the_label_is_read() -> None:
    assert len(read(("M,1,x\n" * MANY).encode(), CSV, TABLE)) == MANY


def test_a_large_body_of_rows_with_and_without_the_label_is_read() -> None:
    assert len(read((GOOD * MANY + "M,1,9").encode(), CSV, TABLE)) == MANY + 1


@pytest.mark.parametrize(
    "body", ["11\n" * 10**6, "11," * 10**6, GOOD + "11\n" * 10**6], ids=["rows", "columns", "rows after a good one"]
)
def test_it_costs_no_more_than_a_few_copies_of_the_body(body: str) -> None:
    tracemalloc.start()
    try:
        refusal(body)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()
