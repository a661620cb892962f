"""samples/: requests that are replayed at the start, and the answers that they must get."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import MATRIX, folder, npy
from serving.errors import StartError
from serving.hooks import Hooks
from serving.model import Model
from serving.samples import find_samples, replay, same


class Adder:
    """A model that adds each row's numbers up, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def predict(self, rows: Any) -> Any:
        """Return one sum for each row; no row may begin with a negative number."""
        self.asked.append(rows.tolist())
        if rows[0, 0] < 0:
            raise ValueError("a negative number, which only the log may tell")
        return rows.sum(axis=1)


def adder() -> Model:
    return Model(Adder(), Hooks(), MATRIX, "application/json", Path("/model"))


def replay_folder(root: Path, files: dict[str, str | bytes]) -> Model:
    model = adder()
    replay(model, find_samples(folder(root, {f"samples/{name}": content for name, content in files.items()})))
    return model


def pairs_in(root: Path, *names: str) -> list[tuple[str, str | None]]:
    samples = find_samples(folder(root, {f"samples/{name}": "" for name in names}))
    return [(sample.request.name, sample.expected.name if sample.expected else None) for sample in samples]


def test_a_folder_without_samples_has_none(tmp_path: Path) -> None:
    assert find_samples(tmp_path) == []


def test_a_request_is_paired_with_the_answer_of_its_name(tmp_path: Path) -> None:
    found = pairs_in(tmp_path, "b.csv", "b.expected.json", "a.json", "a.expected.csv", "c.npy")
    assert found == [("a.json", "a.expected.csv"), ("b.csv", "b.expected.json"), ("c.npy", None)]


def test_names_with_dots_and_common_beginnings_are_told_apart(tmp_path: Path) -> None:
    found = pairs_in(tmp_path, "one.csv", "one.two.csv", "one.two.expected.csv", "one_row.csv", "one.expected.json")
    assert found == [
        ("one.csv", "one.expected.json"),
        ("one.two.csv", "one.two.expected.csv"),
        ("one_row.csv", None),
    ]


def test_files_of_no_known_type_are_no_requests(tmp_path: Path) -> None:
    assert pairs_in(tmp_path, "README.md", "one.csv", "one.png") == [("one.csv", None)]


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a.jsonl", "application/jsonlines"),
        ("a.npy", "application/x-npy"),
        ("a.txt", "text/plain"),
    ],
)
def test_extensions_tell_content_type_and_accept(tmp_path: Path, name: str, content_type: str) -> None:
    folder(tmp_path, {f"samples/{name}": "body", "samples/a.expected.jsonl": ""})
    request = find_samples(tmp_path)[0].to_request()
    assert (request.body, request.content_type, request.accept) == (b"body", content_type, "application/jsonlines")


def test_a_request_without_an_answer_accepts_anything_and_warms_up(tmp_path: Path) -> None:
    model = replay_folder(tmp_path, {"a.csv": "1,2\n"})
    assert model.loaded.asked == [[[1.0, 2.0]]]


def test_right_answers_pass_in_every_type(tmp_path: Path) -> None:
    model = replay_folder(
        tmp_path,
        {
            "a.csv": "1,2\n3,4\n",
            "a.expected.json": "[3, 7]",
            "b.json": "[[1, 2]]",
            "b.expected.csv": "3\r\n",
            "c.jsonl": "[1, 2]\n",
            "c.expected.npy": npy(np.array([3])),
            "d.npy": npy(np.array([[1, 2]])),
            "d.expected.jsonl": "3.0\n",
        },
    )
    assert len(model.loaded.asked) == 4


@pytest.mark.parametrize("answer", ["3.000001", "2.999999", "3.0000000001"])
def test_the_last_digits_may_differ(tmp_path: Path, answer: str) -> None:
    replay_folder(tmp_path, {"a.csv": "1,2\n", "a.expected.csv": answer})


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.expected.csv", "3.0001\n"),
        ("a.expected.csv", "3\n3\n"),
        ("a.expected.csv", ""),
        ("a.expected.csv", "nan\n"),
        ("a.expected.json", "[3, 4]"),
        ("a.expected.json", '{"result": [3]}'),
        ("a.expected.json", "not json"),
        ("a.expected.jsonl", "4\n"),
        ("a.expected.npy", npy(np.array([4.0]))),
    ],
)
def test_a_wrong_answer_ends_the_start(tmp_path: Path, name: str, answer: str | bytes) -> None:
    with pytest.raises(StartError, match=f"sample {tmp_path}/samples/a.csv is not {name}"):
        replay_folder(tmp_path, {"a.csv": "1,2\n", name: answer})


def test_a_wrong_answer_is_shown_beside_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(StartError) as caught:
        replay_folder(tmp_path, {"a.csv": "1,2\n", "a.expected.csv": "4\n"})
    message = str(caught.value)
    assert r"expected '4\n', found '3.0\n'." in message
    assert "train it anew to record new answers" in message


def test_a_failing_sample_ends_the_start_with_status_and_cause(tmp_path: Path) -> None:
    with pytest.raises(StartError) as caught:
        replay_folder(tmp_path, {"a.csv": "-1,2\n"})
    message = str(caught.value)
    assert f"fails on its own sample {tmp_path / 'samples' / 'a.csv'}: 422 " in message
    assert "a negative number, which only the log may tell" in message
    assert message.endswith("Mend the model or the sample.")


def test_a_sample_of_the_wrong_width_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="400 Row 1 has 3 columns; the model takes 2"):
        replay_folder(tmp_path, {"a.csv": "1,2,3\n"})


@pytest.mark.parametrize(
    ("found", "expected", "suffix"),
    [
        (b"[1.0, null]", b"[1, null]", ".json"),
        (b'{"a": [1.0], "b": "x"}', b'{"b": "x", "a": [1.0000001]}', ".json"),
        (b"nan,a\n", b"NaN,a\n", ".csv"),
        (b"inf\n", b"inf\n", ".csv"),
        (b"1.0,2.0\n", b"1,2", ".csv"),
        (b"0.0\n", b"1e-12\n", ".csv"),
        (b'{"a": 1}\n', b'{"a": 1.0}', ".jsonl"),
        (npy(np.array([1.0, np.nan])), npy(np.array([1.0, np.nan], np.float32)), ".npy"),
        (npy(np.array(["a"])), npy(np.array(["a"], "<U9")), ".npy"),
        (npy(np.array([(1.0,)], "f8,")), npy(np.array([(1.0000001,)], "f8,")), ".npy"),
        (b"good", b"good", ".txt"),
    ],
)
def test_answers_that_mean_the_same_are_the_same(found: bytes, expected: bytes, suffix: str) -> None:
    assert same(found, expected, suffix)


@pytest.mark.parametrize(
    ("found", "expected", "suffix"),
    [
        (b"[1.0]", b"[null]", ".json"),
        (b"[1.0]", b"1.0", ".json"),
        (b'["1.0"]', b"[1.0]", ".json"),
        (b'{"a": 1}', b'{"a": 1, "b": 2}', ".json"),
        (b"1,2\n", b"1\n2\n", ".csv"),
        (b"1\n", b"1\n2\n", ".jsonl"),
        (b"a\n", b"b\n", ".csv"),
        (npy(np.zeros((2, 1))), npy(np.zeros((1, 2))), ".npy"),
        (npy(np.zeros(2)), b"", ".npy"),
        (b"good", b"bad", ".txt"),
    ],
)
def test_answers_that_differ_are_not(found: bytes, expected: bytes, suffix: str) -> None:
    assert not same(found, expected, suffix)


def test_the_answer_is_asked_for_in_the_type_of_its_extension(tmp_path: Path) -> None:
    answer = json.dumps([3.0])
    with pytest.raises(StartError):
        replay_folder(tmp_path, {"a.csv": "1,2\n", "a.expected.csv": answer})
    replay_folder(tmp_path / "other", {"a.csv": "1,2\n", "a.expected.json": answer})


@pytest.mark.parametrize(("expected", "refused"), [("0\n1\n2\n", False), ("0\n1\n", True), ("0\n1\n3\n", True)])
def test_the_parts_of_a_streamed_answer_are_compared_as_one(tmp_path: Path, expected: str, refused: bool) -> None:
    hooks = Hooks(predict_fn=lambda data, model, context: iter(range(3)))
    model = Model(None, hooks, MATRIX, "application/json", tmp_path)
    samples = find_samples(folder(tmp_path, {"samples/a.csv": "1,2", "samples/a.expected.jsonl": expected}))
    if refused:
        with pytest.raises(StartError, match=r"found '0\\n1\\n2\\n'"):
            replay(model, samples)
    else:
        replay(model, samples)


def test_a_streamed_answer_that_fails_in_the_middle_fails_the_start(tmp_path: Path) -> None:
    def predict(data: Any, model: Any, context: Any) -> Any:
        yield 1
        raise RuntimeError("no more")

    model = Model(None, Hooks(predict_fn=predict), MATRIX, "application/json", tmp_path)
    samples = find_samples(folder(tmp_path, {"samples/a.csv": "1,2"}))
    with pytest.raises(StartError, match=r"predict_fn failed \(RuntimeError\).*\(no more\)"):
        replay(model, samples)
