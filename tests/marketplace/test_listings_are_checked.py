"""What buyers see is complete, fits what is sold, and says what the model really answers."""

import json
import shutil
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest

from builders import folder
from deploy.errors import Refused
from deploy.marketplace import answering, container, listing, notebook
from deploy.marketplace.exchanges import BATCH, data_of, exchanges, layout_faults, questions, record
from deploy.marketplace.likeness import differences, same
from deploy.marketplace.seller import read_seller
from marketplace import source_guide
from marketplace.typing_commands import marketplace
from ports import free_port
from server import MODELS, ROOT

MODEL = MODELS / "turkish_sentiment"


@pytest.fixture
def model(tmp_path) -> Path:
    """The model's folder with its material, to be spoilt."""
    return Path(shutil.copytree(MODEL, tmp_path / "turkish_sentiment"))


SURE = """
import json

def model_fn(model_dir):
    return 0.75

def input_fn(body, content_type):
    return json.loads(body)["sentiment"]

def predict_fn(text, model):
    return {"prediction": model}
"""


@pytest.fixture
def sure(tmp_path) -> Path:
    """A model that loads in a moment and is always sure, with the same material."""
    made = folder(tmp_path / "sure", {"code/inference.py": SURE})
    shutil.copytree(MODEL / "marketplace", made / "marketplace")
    return made


def spoil(model: Path, file: str, old: str, new: str) -> None:
    path = model / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def found_in(model: Path) -> list[str]:
    return [*listing.faults(model, listing.read_listing(model), read_seller(model))]


def test_the_listing_is_complete_and_the_model_answers_as_is_shipped():
    done = marketplace("listing", "turkish_sentiment")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    said, *notes = done.stderr.splitlines()
    assert said == "- the model answers all 6 requests of the samples as is shipped"
    page = listing.read_listing(MODEL)
    (note,) = notes
    assert note == (
        f"- before publishing: The latency was measured on {page.performance.measured_on}, and not on the ml.m5.large "
        "that is recommended: measure there, and write measured_on_instance = true, before the listing is published."
    )


def test_the_samples_have_both_outcomes():
    answers = [json.loads(one.expected)["prediction"] for one in exchanges(MODEL, read_seller(MODEL))]
    assert min(answers) < 0.5 < max(answers)
    assert all(0 <= answer <= 1 for answer in answers)


def test_an_answer_that_the_model_does_not_give_is_named_with_the_one_that_it_gives(sure):
    shipped = json.loads((sure / "marketplace/data/output/real-time/negative.json").read_text())["prediction"]
    first, second, *_ = marketplace("listing", sure).stderr.splitlines()
    assert first == "deploy: The samples are not what the model answers:"
    assert second == (
        '  real-time/negative.json: the model answers {"prediction": 0.75}, '
        f'and {{"prediction":{shipped}}} is shipped as its answer.'
    )
    done = marketplace("listing", sure, "--record")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("- wrote marketplace/data/output/") == 3
    assert [one.expected for one in exchanges(sure, read_seller(sure))] == [b'{"prediction": 0.75}'] * 6


LOUD = """
import os

print("loading", flush=True)
os.write(1, b"from C\\n")

def model_fn(model_dir):
    print("the weights are there")
    return os.environ["SURENESS"]

def predict_fn(text, model):
    print("asked", text)
    return {"prediction": float(model)}
"""


def test_a_model_may_print_and_has_the_environment_that_is_sold(sure):
    (sure / "code" / "inference.py").write_text(
        SURE.partition("def model_fn")[0] + LOUD + SURE[SURE.index("def input") : SURE.index("def predict")]
    )
    seller = sure / "marketplace" / "seller.toml"
    seller.write_text(seller.read_text() + '\n[environment]\nSURENESS = "0.75"\n')
    done = marketplace("listing", sure, "--record")
    assert done.returncode == 0, done.stderr
    assert {one.expected for one in exchanges(sure, read_seller(sure))} == {b'{"prediction": 0.75}'}


def test_a_model_that_does_not_load_or_refuses_a_sample_is_said(sure):
    asked = [*questions(sure, read_seller(sure))]
    (sure / "code" / "inference.py").write_text(SURE.replace('["sentiment"]', '["text"]'))
    with pytest.raises(Refused) as caught:
        answering.of_folder(sure, asked, {})
    first, second, third = caught.value.lines
    assert first == f"The model in {sure} does not answer the samples:"
    assert second.startswith("real-time/negative.json: ")
    assert third == "See it with: make serve MODEL=…"
    (sure / "code" / "inference.py").write_text("")
    with pytest.raises(Refused, match=r"does not answer the samples:\n.*model_fn"):
        answering.of_folder(sure, asked, {})


def test_a_server_that_is_not_there_is_said():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Refused) as caught:
        [*answering.of_server(url, [*questions(MODEL, read_seller(MODEL))])]
    first, second = caught.value.lines
    assert first.startswith(f"{url} does not answer: ")
    assert second == "Start it: make serve MODEL=…"


class Sure(BaseHTTPRequestHandler):
    """Is sure of everything, and does not know the product."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = (400, b"no product") if b"urunun" in body else (200, b'{"prediction": 0.75}')
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Sure) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_server_that_runs_can_be_asked_in_the_models_place(server):
    asked = [*questions(MODEL, read_seller(MODEL))]
    knows = [one for one in asked if b"urunun" not in one.body]
    assert [*answering.of_server(server, knows)] == [b'{"prediction": 0.75}'] * len(knows)
    with pytest.raises(Refused, match=r"^real-time/negative\.json: the server answers 400: no product$"):
        [*answering.of_server(server, asked)]


FAULTS = tomllib.loads((ROOT / "tests" / "marketplace" / "listing_faults.toml").read_text())["fault"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["says"][:60])
def test_what_curation_would_send_back_is_named(model, fault):
    spoil(model, fault["file"], fault["old"], fault["new"])
    assert [one for one in found_in(model) if fault["says"] in one], found_in(model)


def test_each_half_of_a_sample_is_missed(model):
    data = data_of(model)
    (data / "output/real-time/negative.json").rename(data / "output/real-time/other.json")
    (data / "input/batch/reviews.jsonl").rename(data / "input/batch/reviews")
    assert [*layout_faults(data)] == [
        f"{data}/input/real-time/negative.json has no answer: looked for {data}/output/real-time/negative.json.",
        f"{data}/output/real-time/other.json answers nothing: looked for {data}/input/real-time/other.json.",
        f"{data}/input/batch/reviews has no answer: looked for {data}/output/batch/reviews.out.",
        f"{data}/output/batch/reviews.jsonl.out answers nothing: looked for {data}/input/batch/reviews.jsonl.",
        f"{data}/input/batch/reviews: no media type is known for it.",
    ]
    shutil.rmtree(data / "input/batch")
    assert f"There is no sample in {data}/input/batch: buyers need one for batch." in [*layout_faults(data)]
    done = marketplace("check", model, "--run", "nothing")
    assert done.stderr.startswith("deploy: The samples of turkish_sentiment are not complete:\n  ")
    done = marketplace("listing", model)
    assert done.stderr.startswith("deploy: The listing of turkish_sentiment is not complete:\n  ")


def test_a_file_of_answers_that_has_too_few_is_refused(model):
    path = data_of(model) / "output" / BATCH / "reviews.jsonl.out"
    path.write_text("{}\n")
    with pytest.raises(
        Refused, match=r"reviews\.jsonl\.out answers 1 requests, and there are 4: each has one answer\."
    ):
        [*exchanges(model, read_seller(model))]


def test_answers_that_end_with_a_newline_are_recorded_and_counted_once(model):
    """SageMaker ends each answer with one as well, so that what it writes has empty lines in between."""
    seller = read_seller(model)
    asked = [*questions(model, seller)]
    answers = [b"%d\n" % number for number in range(len(asked))]
    record(asked, answers, seller)
    shipped = data_of(model) / "output" / BATCH / "reviews.jsonl.out"
    assert shipped.read_bytes() == b"2\n3\n4\n5\n"
    shipped.write_bytes(b"2\n\n3\n\n4\n\n5\n\n")
    assert [one.expected for one in exchanges(model, seller)] == [b"0\n", b"1\n", b"2", b"3", b"4", b"5"]


def test_without_lines_a_file_is_a_request_and_its_answer_is_shipped_as_it_is(model):
    spoil(model, "marketplace/seller.toml", 'split = "Line"', 'split = "None"')
    seller = read_seller(model)
    asked = [*questions(model, seller)]
    assert [one.name for one in asked] == ["real-time/negative.json", "real-time/positive.json", "batch/reviews.jsonl"]
    record(asked, [b"1", b"2", b"3"], seller)
    assert [one.expected for one in exchanges(model, seller)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("found", "expected", "is_same"),
    [
        ('{"a": 0.5}', '{"a": 0.50000001}', True),
        ('{"a": 0.5}', '{"a": 0.51}', False),
        ('{"a": 0.5}', '{"b": 0.5}', False),
        ("[1, 2.0]", "[1.0, 2]", True),
        ("[1]", "[1, 2]", False),
        ("[true]", "[1]", True),
        ("[null]", "[0.5]", False),
        ("POSITIVE\n", "POSITIVE", True),
        ("POSITIVE", "NEGATIVE", False),
    ],
)
def test_answers_are_compared_by_what_they_say(found, expected, is_same):
    assert same(found.encode(), expected.encode()) is is_same


def test_no_difference_is_found_where_there_is_none():
    shipped = [*exchanges(MODEL, read_seller(MODEL))]
    assert [*differences(shipped, [one.expected for one in shipped])] == []
    assert len([*differences(shipped, [b"{}"] * len(shipped))]) == len(shipped)


def test_a_metric_that_is_not_above_its_baseline_is_noted(model):
    page = listing.read_listing(model)
    worse = page.model_copy(update={"metric": page.metric.model_copy(update={"value": 0.5, "baseline": 0.6})})
    assert "The accuracy, 0.5, is not above the baseline, 0.6." in [*listing.notes(worse)]
    speed = page.performance.model_copy(update={"measured_on_instance": True})
    assert [*listing.notes(page.model_copy(update={"performance": speed}))] == []


@pytest.mark.parametrize(
    ("name", "value", "baseline", "lower", "note"),
    [
        ("RMSE", 2.5, 4, "true", []),
        ("RMSE", 4, 4, "true", ["The RMSE, 4.0, is not below the baseline, 4.0."]),
        ("RMSE", 2.5, 4, "false", ["The RMSE, 2.5, is not above the baseline, 4.0."]),
        ("R2", 0.6, 0, "false", []),
        ("MCC", 0.6, -0.01, "false", []),
    ],
)
def test_a_metric_may_be_an_error_and_a_baseline_nothing(model, name, value, baseline, lower, note):
    new = f'name = "{name}"\nlower_is_better = {lower}\nvalue = {value}\nbaseline = {baseline}   #'
    spoil(model, "marketplace/listing.toml", 'name = "accuracy"\nvalue = 0.924\nbaseline = 0.510   #', new)
    assert [*listing.notes(listing.read_listing(model))][1:] == note


def test_a_metric_that_is_no_number_is_refused(model):
    spoil(model, "marketplace/listing.toml", "value = 0.924", "value = nan")
    with pytest.raises(Refused, match=r"metric\.value: should be a finite number, not nan\."):
        listing.read_listing(model)


# -- the notebook


def test_the_guides_name_for_the_runtime_still_finds_it():
    client = boto3.client("runtime.sagemaker", region_name="us-east-1")
    assert client.meta.service_model.service_id == "SageMaker Runtime"
    assert "invoke_endpoint" in dir(client)


def cells(*sources: str) -> str:
    made = [{"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": []} for source in sources]
    return json.dumps({"cells": made})


@pytest.fixture
def faults_of(tmp_path):
    def faults_of(*sources: str) -> list[str]:
        (tmp_path / "buyer.ipynb").write_text(cells(*sources))
        return [*notebook.faults(tmp_path / "buyer.ipynb")]

    return faults_of


def test_our_notebook_has_no_fault():
    assert [*notebook.faults(MODEL / "marketplace" / "buyer.ipynb")] == []


def test_the_source_guides_notebook_is_refused_for_what_is_wrong_with_it(faults_of):
    escaped, *others = faults_of(*source_guide.NOTEBOOK)
    assert escaped == (
        "buyer.ipynb, cell 4 is not Python: unexpected character after line continuation character. "
        "A Markdown escape is left in it."
    )
    costs = "what it makes costs until it goes."
    assert others == [
        "buyer.ipynb imports sagemaker, whose versions 2 and 3 have no import in common: boto3 is enough.",
        "buyer.ipynb never calls create_model: buyers need to see it.",
        "buyer.ipynb never calls create_transform_job: buyers need to see it.",
        f"buyer.ipynb never calls delete_endpoint: {costs}",
        f"buyer.ipynb never calls delete_endpoint_config: {costs}",
        f"buyer.ipynb never calls delete_model: {costs}",
        "buyer.ipynb has no `finally`: what it made would stay, and cost, when a cell fails.",
        "buyer.ipynb asserts nothing: it has to compare an answer with the one that is shipped.",
        "buyer.ipynb makes no model with EnableNetworkIsolation=True, as Marketplace's have to be.",
    ]


def test_what_would_work_for_one_person_only_is_named(faults_of):
    found = faults_of(
        'region = "eu-west-1"\nrole = "arn:aws:iam::123456789012:role/x"\nname == "us-east-1"', "%pip install x"
    )
    assert "buyer.ipynb, cell 1 names the Region eu-west-1: it has to work in each." in found
    assert "buyer.ipynb, cell 1 names the account 123456789012: buyers have others." in found
    assert not [one for one in found if "us-east-1" in one]
    assert "buyer.ipynb, cell 2 is not Python: invalid syntax." in found


def test_kept_output_is_named(tmp_path):
    path = tmp_path / "buyer.ipynb"
    kept = json.loads((MODEL / "marketplace" / "buyer.ipynb").read_text())
    kept["cells"][3]["outputs"] = [{"output_type": "stream", "text": "123456789012"}]
    path.write_text(json.dumps(kept))
    assert [*notebook.faults(path)] == ["buyer.ipynb keeps the output of cell 4: clear it, it is the seller's own."]


def test_a_notebook_that_is_none_or_not_there_is_said(tmp_path):
    path = folder(tmp_path, {"buyer.ipynb": "[]"}) / "buyer.ipynb"
    (found,) = notebook.faults(path)
    assert found.startswith(f"{path} is no notebook: ")
    for cell in ('{"cell_type": "code"}', '{"source": "x"}', '"x"'):
        path.write_text(f'{{"cells": [{cell}]}}')
        (found,) = notebook.faults(path)
        assert found.startswith(f"{path} is no notebook: ")
    path.unlink()
    assert [*notebook.faults(path)] == [f"There is no {path}: a listing has a notebook that shows buyers every step."]


def test_an_image_that_is_not_there_is_said():
    with pytest.raises(Refused) as caught:
        container.of_image(container.Tried("no/such/image:1"), [])
    assert caught.value.lines[0] in {
        "no/such/image:1 cannot be started:",
        "There is no `docker` on PATH: the image is tried in a container.",
    }
