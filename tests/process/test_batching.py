"""Where the manifest asks for it, requests that wait are answered together, and each caller gets its own answer."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from server import MODELS

ROWS = [f"{sex},0.{length},0.295,0.095,0.25,0.1075,0.0545,0.08" for sex in "MFI" for length in range(30, 70)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The example's model folder, which asks to be batched."""
    folder = tmp_path_factory.mktemp("models") / "abalone"
    shutil.copytree(MODELS / "abalone", folder)
    folder.parent.chmod(0o755)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "serving": {"batching": True}}))
    return folder


def ask(server, row):
    return server.invoke(row, "text/csv")


def answers_of(server, rows):
    """Ask about all *rows* at once, one in ten of them spoilt; return status and body of each."""
    with ThreadPoolExecutor(40) as pool:
        asked = [f"{row},1,what" if number % 10 == 9 else row for number, row in enumerate(rows)]
        return [(answer.status_code, answer.text) for answer in pool.map(partial(ask, server), asked)]


def test_each_caller_gets_the_answer_that_it_would_have_got_alone(serve, folder):
    one_by_one = serve(MODELS / "abalone", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    assert one_by_one.logged("batching is") is None
    expected = [(answer.status_code, answer.text) for answer in map(partial(ask, one_by_one), ROWS)]
    together = serve(folder, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    assert together.logged("batching is on")["reason"].startswith("the samples' answers are the same")
    found = answers_of(together, ROWS)
    for number, ((status, body), (asked_alone, alone)) in enumerate(zip(found, expected, strict=True)):
        if number % 10 == 9:
            assert status == 400
            assert json.loads(body)["error"]["code"] == "bad_request"
        else:
            assert (status, float(body)) == (asked_alone, pytest.approx(float(alone), rel=1e-9))
    assert together.logged("could not be answered together")
    assert not together.logged("worker gone")
