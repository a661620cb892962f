"""models/transformer_sentiment: a transformer behind a handler class, which answers by itself, without a network."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from builders import ask, load, separate_imports
from deploy.stage.kinds import Instance, Serverless
from server import MODELS, HostServer, until
from serving.errors import BadRequest, NotAcceptable
from serving.manifest import read_manifest, verify_files
from serving.model import Model
from serving.samples import find_samples, replay

FOLDER = MODELS / "transformer_sentiment"
README = (FOLDER / "README.md").read_text()
DOGS_AND_CATS = ["I love dogs.", "I am not fond of cats though."]  # the document's own request
LONGEST = 256
# Imports that cannot open a connection: the folder's own, computing, text and files.
HARMLESS = {
    "collections",
    "functools",
    "numpy",
    "onnxruntime",
    "pathlib",
    "serving",
    "typing",
    "unicodedata",
    "wordpiece",
}
# What the `tokenizers` library makes of these texts; train.py compares it for every sentence of the data.
READ_BY_THE_LIBRARY = {
    "it's 10/10 -- “great”…": "it ' s 10 / 10 - - “ great ” …",
    "Café, naïve!": "cafe , naive !",
    "I\tlove\u00a0it\u200b\u0007\n": "i love it",
    "don't $+<=>^`|~ a": "don ' t $ + < = > ^ ` | ~ a",
    "unbelievably": "un ##bel ##ie ##va ##bly",
    "日本 ok": "日 本 ok",
    "😀 good": "[UNK] good",
    "x" * 101: "[UNK]",
    "": "",
}


@pytest.fixture(scope="module", autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


@cache
def served() -> Model:
    """Return the model, loaded as the server does."""
    return load(FOLDER)


def answer(**request: Any) -> dict[str, Any]:
    return json.loads(ask(served(), json.dumps(request)).body)


def scores(*texts: str) -> list[float]:
    return answer(inputs=texts, scores=True)["scores"]


def test_what_a_caller_sends_without_a_space_is_not_kept() -> None:
    words = served().loaded._words
    words.read("known")
    before = words._pieces.cache_info().currsize
    words.read("x" * 101)
    assert words._pieces.cache_info().currsize == before > 0


def test_the_files_are_those_that_the_manifest_describes() -> None:
    manifest = read_manifest(FOLDER)
    assert set(manifest.files) == {"model.onnx", "vocabulary.txt"}
    verify_files(manifest, FOLDER)


def test_the_samples_get_their_answers() -> None:
    samples = find_samples(FOLDER)
    assert len(samples) >= 4
    assert all(sample.expected for sample in samples)
    replay(served(), samples)


def test_the_documents_request_gets_the_documents_answer() -> None:
    assert answer(inputs=DOGS_AND_CATS) == {"predictions": ["POSITIVE", "NEGATIVE"]}


def test_a_text_by_itself_is_one() -> None:
    assert answer(inputs=DOGS_AND_CATS[1]) == {"predictions": ["NEGATIVE"]}


def test_scores_are_the_probabilities_of_positive_for_who_asks() -> None:
    found = answer(inputs=DOGS_AND_CATS, scores=True)
    assert found["predictions"] == ["POSITIVE", "NEGATIVE"]
    assert 0 < found["scores"][1] < 0.5 < found["scores"][0] < 1


def test_a_text_is_answered_beside_others_as_it_is_alone() -> None:
    texts = [
        *DOGS_AND_CATS,
        "No.",
        "A " + "very " * 100 + "good film.",
        *(f"Number {count} is bad." for count in range(40)),
    ]
    assert scores(*texts) == pytest.approx([scores(text)[0] for text in texts], rel=1e-4)


def test_an_answer_stands_where_its_text_stood() -> None:
    good, bad = "The food was delicious and the staff friendly.", "Terrible."
    assert answer(inputs=[good, bad] * 20)["predictions"] == ["POSITIVE", "NEGATIVE"] * 20


def test_of_a_long_text_the_first_256_pieces_are_read() -> None:
    read = "good " * (LONGEST - 2)  # the two ends are pieces, too
    assert scores(read + "terrible " * 100) == scores(read)
    assert scores(read.removeprefix("good ") + "terrible") != scores(read)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", 'Send {"inputs": ["a text", ...]}: there is no "inputs".'),
        ('["I love dogs."]', 'Send {"inputs": ["a text", ...]}: there is no "inputs".'),
        ('{"inputs": [1]}', '"inputs" has to be a text or a list of texts.'),
        ('{"inputs": null}', '"inputs" has to be a text or a list of texts.'),
        ('{"inputs": []}', '"inputs" has 0 texts; send 1 to 256.'),
        (json.dumps({"inputs": ["a"] * 257}), '"inputs" has 257 texts; send 1 to 256.'),
        ('{"inputs": "a", "scores": "yes"}', '"scores" has to be true or false.'),
        ("I love dogs.", "The body is not JSON: Expecting value at line 1, column 1."),
    ],
)
def test_a_request_without_texts_is_the_callers_fault_and_says_why(body: str, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        ask(served(), body)
    assert str(raised.value) == message


def test_the_answer_is_json_or_none() -> None:
    with pytest.raises(NotAcceptable):
        ask(served(), '{"inputs": "a"}', "application/json", "text/csv")


@pytest.mark.parametrize("text", READ_BY_THE_LIBRARY)
def test_a_text_is_read_as_the_tokenizers_library_reads_it(text: str) -> None:
    pieces = (FOLDER / "vocabulary.txt").read_text().splitlines()
    read = [pieces[number] for number in served().loaded._words.read(text)]
    assert " ".join(read[1:-1]) == READ_BY_THE_LIBRARY[text]
    assert (read[0], read[-1]) == ("[CLS]", "[SEP]")


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_nothing_in_the_folder_opens_a_connection() -> None:
    code = sorted((FOLDER / "code").glob("*.py"))
    assert {path.name for path in code} == {"inference.py", "wordpiece.py"}
    assert {name.partition(".")[0] for path in code for name in imported_by(path)} <= HARMLESS
    assert not re.search(r"https?:|from_pretrained|hub", "".join(path.read_text() for path in code))
    assert not (FOLDER / "code" / "requirements.txt").exists()  # the plain image serves it


def test_the_readme_tells_the_accuracy_of_its_table_above_the_baselines() -> None:
    table = [
        [int(cell) for cell in re.findall(r"\| *(\d+) *(?=\|)", line)]
        for line in README.splitlines()
        if "| is " in line
    ]
    (true_negative, false_positive), (false_negative, true_positive) = table
    held_out = true_negative + false_positive + false_negative + true_positive
    told = {name: float(value) for name, value in re.findall(r"^\| ([a-z ,]+) \| (0\.\d+) \|$", README, re.MULTILINE)}
    assert told["this model"] == round((true_negative + true_positive) / held_out, 3)
    assert told["this model"] > told["words and pairs of words"] > told["always the same"]


@pytest.mark.nginx
def test_a_server_answers_alone_and_its_workers_end_well() -> None:
    with closing(HostServer(FOLDER, {})) as server:
        server.wait_until_ready()
        found = server.invoke(json.dumps({"inputs": DOGS_AND_CATS}))
        assert (found.status_code, found.json()) == (200, {"predictions": ["POSITIVE", "NEGATIVE"]})
        assert server.listeners() == {("0.0.0.0", server.port)}
        environments = [Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in server.worker_pids()]
        assert all(b"ORT_DISABLE_TELEMETRY=1" in environment for environment in environments)
        loaded = until(lambda: server.logged("model loaded"), "the line about the model")
        assert loaded["loaded_per"] == "container"
        server.send(15)
        assert server.exit_status() == 0
        assert "SIGSEGV" not in server.log_text()
        assert "terminate called" not in server.log_text()


def test_the_documents_keys_have_the_documents_defaults() -> None:
    """Its `instanceCount` was 1, its `endpointMemorySize` 4096, its `endpointMaxConcurrency` 2."""
    assert Instance(type="ml.m5.large").count == 1
    assert (Serverless().memory_mb, Serverless().concurrency) == (4096, 2)
