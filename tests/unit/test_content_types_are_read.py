"""Content-Type: any spelling of what AWS's callers send."""

import pytest

from serving.media_types import parse_content_type


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("Application/JSON", "application/json"),
        (" text/csv ", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/csv;charset=utf-8", "text/csv"),
        ("text/csv; label_size=0", "text/csv"),
        ('text/csv; charset="utf-8"; header=absent', "text/csv"),
        ("application/xml", "application/xml"),
    ],
)
def test_case_spaces_and_parameters_do_not_matter(header: str, name: str) -> None:
    assert parse_content_type(header).name == name


@pytest.mark.parametrize("header", [None, "", "  "])
def test_a_missing_header_means_json(header: str | None) -> None:
    found = parse_content_type(header)
    assert (found.name, found.charset) == ("application/json", "utf-8")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("application/x-ndjson", "application/jsonlines"),
        ("application/jsonl", "application/jsonlines"),
        ("text/json", "application/json"),
        ("APPLICATION/X-NDJSON; charset=utf-8", "application/jsonlines"),
    ],
)
def test_an_alias_is_read_as_the_type_it_stands_for(header: str, name: str) -> None:
    assert parse_content_type(header).name == name


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("text/csv", "utf-8"),
        ("text/csv; charset=latin-1", "latin-1"),
        ('text/csv; Charset="UTF-16"', "UTF-16"),
        ("text/csv; header=present; charset=ascii", "ascii"),
    ],
)
def test_the_charset_is_the_parameter_or_utf_8(header: str, charset: str) -> None:
    assert parse_content_type(header).charset == charset
