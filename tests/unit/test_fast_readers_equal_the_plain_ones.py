"""
The fast ways of reading a body give what the plain ones give, to the bit, or the same error.

The plain ones are the definition. Bodies are made and damaged at random, from fixed seeds.
"""

import itertools
import json
import pickle
import random

import numpy as np
import pytest

from builders import MATRIX, TABLE
from plain_codecs import SCHEMAS, assert_read_alike
from serving.csv_text import MANY_ROWS, CsvText
from serving.decoders import decode
from serving.errors import BadRequest
from serving.fast_cells import floats_in
from serving.json_values import read_json
from serving.media_types import CSV, JSON, JSON_LINES, parse_content_type
from serving.schema import InputSchema

every_schema = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def words(*lines: str) -> list[str]:
    return " ".join(lines).split()


ODD_NUMBERS = [
    *words("-0 -0.0 0 +1 01 .5 5. 1_0 1e5 1E5 1e e5 nan NaN -nan inf -inf Infinity 1e400 -1e400 1e-400 5e-324"),
    *words("True true trUE fALse FALSE None null NA 0x10 1.2.3 1d5 1f 1j --1 - . [1] [1 2] {} [ ] #1 '1' 1;2"),
    *words("9007199254740993 18446744073709551615 18446744073709551616 -9223372036854775809"),
    *words("9007199254740992.99999999999999999999 2.4703282292062328e-324 1.7976931348623159e308"),
    *("", " ", " 1 ", "\t1", "1 2", "1\u2003", "\u0661", "1\x0b", "1\x001", "\x1a", "\ufeff1", "1\u2028", "\u2028"),
    *("9" * 400, "9" * 5000),
]
ODD_TEXTS = ["", " ", "a b", "\u2028", "\ufeff", "\x00", *words("nan NA None True İ 東京 # ' 0.50 a;b 1_0")]
ODD_JSON = [
    *words("null true false NaN -Infinity 1e400 -0 -0.0 0 1E5 1e-400 1. 01 .5 [] [1] {} [[1]]"),
    *words("9223372036854775807 18446744073709551616 -9223372036854775809 12345678901234567890123"),
    *words("9007199254740993 0.30000000000000004 0.00030000000000000003"),
    *words(r'"" "a" "1" "1_0" "nan" "-0" "1,2" "[1" "2]" "\ud83d" "\u0000" "1234567890123456789012" "\"3\""'),
    *('{"a": 1}', '" 2 "', '"İ\u2028"', "9" * 400, "9" * 5000),
]


def number_text(chance: random.Random) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return repr(chance.uniform(-1, 1) * 10 ** chance.randint(-20, 20))
    return [str(chance.randint(-3, 10**6)), f"{chance.random():.4f}", repr(chance.gauss(0, 1))][kind - 1]


def csv_cell(place: int, schema: InputSchema, odd: float, chance: random.Random) -> str:
    textual = schema.kind == "text" or (schema.columns[place : place + 1] and schema.columns[place].numeric is False)
    if chance.random() < odd:
        return chance.choice(ODD_TEXTS if textual else ODD_NUMBERS)
    return chance.choice("MFI") if textual else number_text(chance)


def csv_body(schema: InputSchema, rows: int, chance: random.Random) -> bytes:
    """Return a body that is mostly good: what is odd, and how often, is for each body another matter."""
    odd, ragged, quoted = (chance.choice([0, 0, 0, 1 / rows, 0.2]) for _ in range(3))
    width = (schema.width or (1 if schema.kind == "text" else 3)) + chance.choice([0, 0, 1])
    end = chance.choice(["\n", "\n", "\n", "\r\n", "\r"])
    lines = []
    for _ in range(rows):
        more = chance.choice([-1, 1]) if chance.random() < ragged else 0
        cells = [csv_cell(place, schema, odd, chance) for place in range(max(1, width + more))]
        lines.append(",".join(f'"{cell}"' if chance.random() < quoted else cell for cell in cells))
    if chance.random() < 0.15:
        lines.insert(chance.randrange(rows + 1), chance.choice(["", "", " ", ",", '"']))
    return (chance.choice(["", "", "", "\ufeff"]) + end.join(lines) + chance.choice(["", end, end, end * 2])).encode()


@every_schema
def test_csv_of_few_rows_is_read_alike(schema: InputSchema) -> None:
    chance = random.Random(1)
    for _ in range(250):
        assert_read_alike(csv_body(schema, chance.randint(1, 12), chance), CSV, schema)


@every_schema
def test_csv_of_many_rows_is_read_alike(schema: InputSchema) -> None:
    chance = random.Random(2)
    for _ in range(8):
        assert_read_alike(csv_body(schema, MANY_ROWS + chance.randint(-1, 2), chance), CSV, schema)


@every_schema
def test_every_odd_cell_is_read_alike_in_csv(schema: InputSchema) -> None:
    """Alone in its column, and below a number."""
    width = schema.width or 1
    good = ",".join(["1.5"] * width)
    for odd in {*ODD_NUMBERS, *ODD_TEXTS}:
        line = ",".join([odd] * width)
        for lines in ([line], [line] * 3, [good, line, good]):
            assert_read_alike("\n".join(lines).encode(), CSV, schema)


@pytest.mark.parametrize("name", ["table", "one column", "matrix", "narrow"])
@pytest.mark.parametrize("alone", [True, False])
def test_every_odd_cell_is_read_alike_in_csv_of_many_rows(name: str, alone: bool) -> None:
    schema = SCHEMAS[name]
    good = ",".join(["1.5"] * schema.width)
    for odd in {*ODD_NUMBERS, *ODD_TEXTS}:
        line = ",".join([odd] * schema.width)
        assert_read_alike("\n".join([line if alone else good, *[line] * (MANY_ROWS - 1)]).encode(), CSV, schema)


@every_schema
def test_a_byte_order_mark_after_empty_lines_is_read_alike(schema: InputSchema) -> None:
    line = ",".join(["1.5"] * (schema.width or 1))
    for rows in (1, MANY_ROWS):
        assert_read_alike(f"\n\n\ufeff{line}\n{f'{line}{chr(10)}' * (rows - 1)}".encode(), CSV, schema)


@pytest.mark.parametrize("odd", ODD_TEXTS, ids=repr)
def test_every_odd_text_is_read_alike_in_csv_of_many_rows(odd: str) -> None:
    for lines in ([f"{odd},1"] * MANY_ROWS, ["M,1", *[f"{odd}{odd},1", f"x{odd}y,1"] * MANY_ROWS]):
        assert_read_alike("\n".join(lines).encode(), CSV, TABLE)
        assert_read_alike(b"\xef\xbb\xbf" + "\n".join(lines).encode(), CSV, TABLE)


@pytest.mark.parametrize("before", [[""], ["", "1"], ["1.5"] * 2**18], ids=["missing", "missing and 1", "a piece"])
def test_true_and_false_are_no_numbers_wherever_pandas_takes_them_for_some(before: list[str]) -> None:
    lines = [*before, *["True"] * 120_000]
    assert_read_alike(("9," + "\n9,".join(lines)).encode(), CSV, MATRIX)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "latin-1", "utf-16", "ascii", "klingon", "unicode_escape"])
@pytest.mark.parametrize("name", [CSV, JSON, JSON_LINES])
def test_every_charset_is_read_alike(charset: str, name: str) -> None:
    good = {CSV: "K\xf6ln,1\n", JSON: '[["K\xf6ln", 1]]', JSON_LINES: '["K\xf6ln", 1]\n'}[name]
    for body in (good.encode(), good.encode("latin-1"), good.encode("utf-16"), good.encode() + b"\\ud800,1"):
        assert_read_alike(body, f"{name}; charset={charset}", TABLE)


def json_cell(place: int, schema: InputSchema, odd: float, chance: random.Random) -> str:
    if chance.random() < odd:
        return chance.choice(ODD_JSON)
    if schema.kind == "text" or (schema is TABLE and place == 0):
        return json.dumps(chance.choice("MFI"))
    return number_text(chance) if chance.random() < 0.9 else f'"{number_text(chance)}"'


def json_row(schema: InputSchema, odd: float, form: str, chance: random.Random) -> str:
    names = [column.name for column in schema.columns] or ["text"]
    width = schema.width or 1
    more = chance.random() < odd
    cells = [json_cell(place, schema, odd, chance) for place in range(width + more)]
    if form == "list":
        return f"[{', '.join(cells)}]"
    if form == "features":
        return f'{{"features": [{", ".join(cells)}]}}'
    pairs = [f'"{name}": {cell}' for name, cell in itertools.zip_longest(names, cells, fillvalue=schema.label or "x")]
    if chance.random() < odd:
        chance.shuffle(pairs)
    return f"{{{', '.join(pairs + pairs[:1] * (chance.random() < odd / 4))}}}"


def json_body(schema: InputSchema, chance: random.Random, lines: bool) -> bytes:
    odd, mixed = chance.choice([0, 0, 0.1, 0.3]), chance.random() < 0.2
    forms = ["list", "record", "features"] if mixed else [chance.choice(["list", "list", "record", "features"])]
    rows = [json_row(schema, odd, chance.choice(forms), chance) for _ in range(chance.randint(1, 6))]
    if lines:
        text = chance.choice(["\n", "\r\n", "\n\n", "\n \n"]).join(rows) + chance.choice(["", "\n"])
    else:
        text = chance.choice(['{{"instances": [{}]}}', '{{"inputs": [{}]}}', "[{}]", "{}"]).format(", ".join(rows))
    body = bytearray((chance.choice([""] * 9 + ["\ufeff"]) + text).encode(errors="surrogatepass"))
    if chance.random() < 0.2:
        place = chance.randrange(len(body))
        body[place : place + chance.randint(0, 2)] = chance.choice([b"", b",", b"]", b"\xff", b"\n", b" ", b"-", b"0"])
    return bytes(body)


@every_schema
@pytest.mark.parametrize("content_type", [JSON, JSON_LINES])
def test_json_is_read_alike(schema: InputSchema, content_type: str) -> None:
    chance = random.Random(3)
    for _ in range(300):
        if body := json_body(schema, chance, content_type == JSON_LINES):
            assert_read_alike(body, content_type, schema)


@every_schema
def test_every_odd_value_is_read_alike_in_json(schema: InputSchema) -> None:
    width = schema.width or 1
    for odd, good in itertools.product(ODD_JSON, ([], [["1.5"] * width])):
        rows = [*good, [odd] * width]
        lists = [f"[{', '.join(row)}]" for row in rows]
        assert_read_alike(f"[{', '.join(lists)}]".encode(), JSON, schema)
        assert_read_alike("\n".join(lists).encode(), JSON_LINES, schema)


def test_numbers_are_read_to_the_last_bit() -> None:
    """Of every size, with too many digits, and as close to the middle of two floats as text can be."""
    chance = random.Random(4)
    floats = np.frombuffer(chance.randbytes(8 * 20_000), np.float64)
    texts = [repr(number) for number in floats[np.isfinite(floats)].tolist()]
    texts += [f"{chance.random() * 1000:.{chance.randint(1, 30)}f}" for _ in range(5_000)]
    texts += [
        str(chance.getrandbits(chance.randint(50, 64)) + 2**63) + "0" * chance.randint(0, 9) for _ in range(5_000)
    ]
    texts += [f"{2**53 + 2 * step + 1}{end}" for step in range(500) for end in ("", ".0", f".{'0' * 40}1")]
    expected = np.array([float(text) for text in texts]).tobytes()
    assert len(texts) > MANY_ROWS
    assert floats_in(texts).tobytes() == expected
    assert CsvText("\n".join(texts)).matrix(1, None).tobytes() == expected
    floats_alone = [text for text in texts if ("." in text or "e" in text) and len(text) < 34]
    assert read_json(f"[{','.join(floats_alone)}]".encode(), "utf-8") == [float(text) for text in floats_alone]


# -- which way was taken: a fast path that always gives up would equal the plain one, too


@pytest.mark.parametrize("rows", [1, 999, MANY_ROWS])
@pytest.mark.parametrize("label", ["", ",9"])
def test_good_csv_takes_the_fast_way(rows: int, label: str) -> None:
    found = decode(f"1.5,2{label}\n".encode() * rows, parse_content_type(CSV))
    assert isinstance(found, CsvText)
    assert found.matrix(2, "y").tolist() == [[1.5, 2.0]] * rows
    table = found.table([True, True], "y")
    assert (table is not None) == (rows >= MANY_ROWS)


@pytest.mark.parametrize("rows", [1, MANY_ROWS])
@pytest.mark.parametrize("schema", [TABLE, SCHEMAS["numbers"]], ids=["mixed", "numbers"])
def test_the_frame_can_be_changed_like_any_other(schema: InputSchema, rows: int) -> None:
    frame = schema.assemble(decode(b"1,2\n" * rows, parse_content_type(CSV)))
    last = schema.columns[-1].name
    frame.loc[0, last] = 5.0
    frame.columns.name = "features"
    frame["ratio"] = frame[last] / 2
    frame.insert(0, "first", 1)
    assert frame.iloc[0].tolist()[-2:] == [5.0, 2.5]
    assert pickle.loads(pickle.dumps(frame)).equals(frame)
    other = schema.assemble(decode(b"1,2\n" * rows, parse_content_type(CSV)))
    assert (list(other.columns), other.columns.name) == (schema.names, None)


def test_an_integer_of_any_length_stays_one() -> None:
    assert read_json(b"[1234567890, 0.00030000000000000003]", "utf-8") == [1234567890, 0.00030000000000000003]
    with pytest.raises(ValueError, match="64 bits"):
        read_json(b"[12345678901234567890]", "utf-8")


def test_the_rows_of_a_csv_text_are_those_of_the_reader() -> None:
    text = CsvText("M,1\nF,\n,3")
    assert list(text) == [["M", "1"], ["F", ""], ["", "3"]]
    assert (len(text), text[1], text[-1], text[1:]) == (3, ["F", ""], ["", "3"], [["F", ""], ["", "3"]])


def test_the_first_bad_cell_is_named_however_many_rows_there_are() -> None:
    for rows in (3, MANY_ROWS):
        body = "M,1\n" * (rows - 1) + "F,1_0\n"
        with pytest.raises(BadRequest) as caught:
            TABLE.assemble(decode(body.encode(), parse_content_type(CSV)))
        assert caught.value.message == f"Row {rows}, column 'length': not a number."
