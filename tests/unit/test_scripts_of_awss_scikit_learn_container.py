"""An inference.py that leans on the library of AWS's scikit-learn container runs here as it is."""

import json
from textwrap import dedent

import pytest

from builders import folder, load, separate_imports
from serving.errors import RequestError
from serving.inference import InferenceRequest

SCRIPT = dedent("""
    import argparse
    import json
    import os
    from io import StringIO

    import numpy as np
    import pandas as pd

    from sagemaker_containers.beta.framework import (
        content_types, decoders, encoders, env, modules, transformer, worker)

    COLUMNS = ["length", "height"]


    class Doubler:
        def transform(self, frame):
            return np.column_stack([2 * frame[name] for name in COLUMNS])


    def model_fn(model_dir):
        return Doubler()


    def input_fn(input_data, content_type):
        if content_type == "text/csv":
            frame = pd.read_csv(StringIO(input_data), header=None)
            frame.columns = COLUMNS
            return frame
        if content_type in (content_types.JSON, content_types.NPY):
            return pd.DataFrame(decoders.decode(input_data, content_type), columns=COLUMNS)
        raise ValueError("{} not supported by script!".format(content_type))


    def predict_fn(input_data, model):
        return model.transform(input_data)


    def output_fn(prediction, accept):
        if accept == "application/json":
            instances = [{"features": row} for row in prediction.tolist()]
            return worker.Response(json.dumps({"instances": instances}), mimetype=accept)
        if accept == "text/csv":
            return worker.Response(encoders.encode(prediction, accept), mimetype=accept)
        if accept == "application/x-npy":
            return worker.Response(encoders.encode(prediction, accept), accept)
        return worker.Response("no", status=406, mimetype="text/plain")


    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
""")


@pytest.fixture
def model(tmp_path):
    with separate_imports():
        yield load(folder(tmp_path, {"code/inference.py": SCRIPT}))


def test_its_answers_are_those_of_its_output_fn(model):
    request = InferenceRequest(b"1,2\n3,4.5\n", "text/csv", "application/json")
    answer = model.transform(request)
    assert answer.content_type == "application/json"
    assert json.loads(answer.body) == {"instances": [{"features": [2.0, 4.0]}, {"features": [6.0, 9.0]}]}


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV"])
def test_a_comparison_of_strings_meets_the_bare_type(model, content_type):
    answer = model.transform(InferenceRequest(b"1.5,2\n", content_type, "text/csv"))
    assert (answer.body, answer.content_type) == (b"3.0,4.0\n", "text/csv")


def test_what_the_library_decodes_and_encodes_is_an_array(model):
    npy = model.transform(InferenceRequest(b"[[1, 2]]", "application/json", "application/x-npy"))
    assert npy.content_type == "application/x-npy"
    back = model.transform(InferenceRequest(npy.body, "application/x-npy", "text/csv"))
    assert back.body == b"4.0,8.0\n"


def test_a_type_that_the_script_refuses_is_the_callers_fault(model):
    with pytest.raises(RequestError) as raised:
        model.transform(InferenceRequest(b"<x/>", "text/xml", "text/csv"))
    assert raised.value.status == 400


def test_a_response_with_an_error_status_is_an_error(model):
    with pytest.raises(RequestError) as raised:
        model.transform(InferenceRequest(b"1,2\n", "text/csv", "image/png"))
    assert (raised.value.status, raised.value.message) == (406, "no")


def test_a_body_that_the_library_cannot_read_is_the_callers_fault(model):
    with pytest.raises(RequestError) as raised:
        model.transform(InferenceRequest(b"[[1, 2]", "application/json", "text/csv"))
    assert raised.value.status == 400
