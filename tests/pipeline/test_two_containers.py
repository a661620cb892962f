"""Featurizer and predictor as two containers behind one endpoint: they answer as one model does."""

import csv
import io
import json
import shutil
import subprocess

import joblib
import numpy as np
import pandas as pd
import pytest
import requests
import xgboost
from sklearn.pipeline import Pipeline

from abalone import COLUMNS, ROW
from pipeline.conftest import HALVES
from server import MODELS, docker, until

SPELLINGS = ("text/csv", "text/csv; charset=utf-8", "TEXT/CSV", 'Text/Csv;charset="UTF-8"')
ANSWER = '{"result": [7.051553249359131]}'


def shells(count):
    """Plausible shells: numbers missing, sexes missing and sexes that training never saw among them."""
    chance = np.random.default_rng(41)
    sexes = chance.choice(["M", "F", "I", "?", "hermaphrodite", None], count, p=[0.35, 0.3, 0.2, 0.05, 0.05, 0.05])
    numbers = chance.uniform(0.05, 0.8, (count, 7)).round(4)
    numbers[chance.random((count, 7)) < 0.03] = np.nan
    return pd.DataFrame([[sex, *row] for sex, row in zip(sexes, numbers, strict=True)], columns=COLUMNS)


def in_one_process():
    """The two artifacts as one scikit-learn pipeline."""
    regressor = xgboost.XGBRegressor()
    regressor.load_model(bytearray((MODELS / "abalone_predictor" / "xgboost-model").read_bytes()))
    return Pipeline([("features", featurizer()), ("rings", regressor)])


def featurizer():
    return joblib.load(MODELS / "abalone_featurizer" / "preprocess.joblib")


def body_of(table):
    return table.to_csv(header=False, index=False)


def test_the_featurizer_is_the_first_step_of_the_model_that_does_both():
    """Both were fitted on the same rows, so that their features are the same to the last digit."""
    both, table = joblib.load(MODELS / "abalone" / "model.joblib"), shells(500)
    assert both[:-1].transform(table).tolist() == featurizer().transform(table).tolist()


def test_one_command_leads_to_an_answer_and_to_the_line_that_asks_for_it(pipeline):
    command, answer = pipeline.shown()
    asked = subprocess.run(["bash", "-c", f"{command} --silent"], capture_output=True, text=True, check=True)
    assert answer == asked.stdout == ANSWER
    assert f"`{ANSWER}`" in (MODELS / "abalone_predictor" / "README.md").read_text()
    assert "Ready after" in pipeline.text()


def test_500_rows_are_answered_as_by_one_scikit_learn_pipeline(pipeline):
    table = shells(500)
    answer = pipeline.ask_all(body_of(table))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"result": in_one_process().predict(table).tolist()}


def test_the_row_with_its_label_becomes_ten_numbers(pipeline):
    answer = pipeline.ask(0, ROW)
    ((*scaled, female, infant, male),) = csv.reader(io.StringIO(answer.text))
    assert (answer.status_code, len(scaled), female, infant, male) == (200, 7, "0.0", "1.0", "0.0")
    assert answer.text == pipeline.ask(0, ROW.removesuffix(",9.0")).text
    shell = pd.DataFrame([next(csv.reader([ROW]))[:8]], columns=COLUMNS)
    assert [float(number) for number in scaled] == featurizer().transform(shell)[0, :7].tolist()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_both_take_csv_however_its_type_is_spelt(pipeline, spelling):
    features = pipeline.ask(0, ROW, spelling)
    assert features.status_code == 200
    rings = pipeline.ask(1, features.content, spelling)
    assert (rings.status_code, rings.text) == (200, ANSWER)


def test_answers_are_called_what_they_are(pipeline):
    features = pipeline.ask(0, ROW)
    assert features.headers["Content-Type"] == "text/csv"
    assert pipeline.ask(1, features.content).headers["Content-Type"] == "application/json"
    assert pipeline.ask_all(ROW).headers["Content-Type"] == "application/json"


def test_another_type_is_refused_with_415_by_the_container_that_got_it(pipeline):
    for number in (0, 1):
        refused = pipeline.ask(number, ROW, "text/plain")
        assert (refused.status_code, refused.headers["Content-Type"]) == (415, "application/json")
        assert refused.json()["error"]["code"] == "unsupported_media_type"
    through_both = pipeline.ask_all(ROW, "text/plain")
    assert through_both.status_code == 424
    assert "Received client error (415) from container-1 with message" in through_both.json()["Message"]


def test_each_is_told_its_ports_and_healthy_there(pipeline, folders):
    for number, port in enumerate(pipeline.ports):
        answer = requests.get(f"http://127.0.0.1:{port}/ping", timeout=2)
        assert (answer.status_code, answer.content) == (200, b"")
        label = f"container-{number + 1} {HALVES[number]}: "
        lines = [line.removeprefix(label) for line in pipeline.text().splitlines() if line.startswith(label + "{")]
        (starting,) = [line for line in map(json.loads, lines) if line["message"] == "starting"]
        assert starting["port"] == port
    if folders[0] == "docker":
        they_share_an_address_and_each_has_safe_ports_of_its_own(pipeline)


def they_share_an_address_and_each_has_safe_ports_of_its_own(pipeline):
    names = [f"sagemaker-pipeline-{pipeline.process.pid}-{number}" for number in (1, 2)]
    first, second = json.loads(docker("container", "inspect", *names).stdout)
    assert second["HostConfig"]["NetworkMode"] == f"container:{first['Id']}"
    for container, port, ports in zip((first, second), pipeline.ports, ("20000-20099", "20100-20199"), strict=True):
        assert f"SAGEMAKER_BIND_TO_PORT={port}" in container["Config"]["Env"]
        assert f"SAGEMAKER_SAFE_PORT_RANGE={ports}" in container["Config"]["Env"]


def test_no_request_and_no_ping_reads_the_model_again(pipeline, folders):
    """With the folders gone both go on as before."""
    _, copies = folders
    for half in HALVES:
        shutil.rmtree(copies / half, ignore_errors=True)
        assert not any((copies / half).rglob("*.joblib"))
    for port in pipeline.ports:
        assert requests.get(f"http://127.0.0.1:{port}/ping", timeout=2).status_code == 200
    assert pipeline.ask_all(ROW).text == ANSWER
    assert pipeline.text().count('"message":"model loaded"') == 2


def test_ctrl_c_ends_all_of_it(pipeline):
    pipeline.close()
    assert "Stopping." in pipeline.text()
    assert pipeline.process.returncode == 0
    until(lambda: not pipeline.listening(), "the ports to be free again")
