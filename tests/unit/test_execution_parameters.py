"""GET /execution-parameters: what a batch transform job should know, true to the plan, or as the user's hook says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import ECHO, load_code, separate_imports, settings
from serving.errors import StartError
from serving.execution_parameters import planned_parameters, read_parameters
from serving.plan import Plan
from serving.service import ModelService

MB = 1024 * 1024


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


@pytest.mark.parametrize(
    ("workers", "limit", "concurrent", "largest"),
    [
        (1, 100, 1, 100),
        (2, 100, 2, 50),
        (3, 100, 3, 33),
        (8, 100, 8, 12),
        (64, 100, 64, 1),
        (100, 100, 100, 1),
        (192, 100, 100, 1),
        (1, 25, 1, 25),
        (2, 6, 2, 6),
        (32, 6, 32, 3),
        (1, 1, 1, 1),
        (1, 1000, 1, 100),
        (4, None, 4, 25),
    ],
)
def test_each_worker_gets_a_request_and_each_is_as_large_as_the_limits_allow(
    workers: int, limit: int | None, concurrent: int, largest: int
) -> None:
    plan = Plan(cpus=float(workers), workers=workers, threads=1)
    found = planned_parameters(plan, None if limit is None else limit * MB + 65536)
    assert found == {"MaxConcurrentTransforms": concurrent, "MaxPayloadInMB": largest}
    assert concurrent * largest <= 100


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"MaxPayloadInMB": 6},
        {"MaxPayloadInMB": 0},
        {"MaxConcurrentTransforms": 16},
        {"MaxConcurrentTransforms": 4, "MaxPayloadInMB": 25, "BatchStrategy": "MULTI_RECORD"},
        {"BatchStrategy": "SINGLE_RECORD"},
        {"BatchStrategy": "MultiRecord"},
    ],
)
@pytest.mark.parametrize("form", [dict, json.dumps, lambda answer: json.dumps(answer).encode()])
def test_parameters_that_a_job_can_go_by_are_taken_as_they_are(answer: dict[str, Any], form: Any) -> None:
    assert read_parameters(form(answer), "inference.py") == answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"MaxPayload": 6},
            "knows no MaxPayload. Answer with any of MaxConcurrentTransforms, MaxPayloadInMB, BatchStr",
        ),
        ({3: 6}, "knows no 3. Answer with any of"),
        ({"MaxPayloadInMB": -1}, "takes no MaxPayloadInMB of -1. Answer with a whole number, at least 0."),
        ({"MaxPayloadInMB": "6"}, "takes no MaxPayloadInMB of '6'. Answer with a whole number, at least 0."),
        ({"MaxPayloadInMB": 6.0}, "takes no MaxPayloadInMB of 6.0. Answer with a whole number, at least 0."),
        ({"MaxPayloadInMB": None}, "takes no MaxPayloadInMB of None. Answer with a whole number, at least 0."),
        (
            {"MaxConcurrentTransforms": 0},
            "takes no MaxConcurrentTransforms of 0. Answer with a whole number, at least 1.",
        ),
        ({"MaxConcurrentTransforms": True}, "takes no MaxConcurrentTransforms of True. Answer with a whole number"),
        ({"BatchStrategy": "multi"}, "takes no BatchStrategy of 'multi'. Answer with MULTI_RECORD or SINGLE_RECORD or"),
        ({"BatchStrategy": ["MULTI_RECORD"]}, "takes no BatchStrategy of ['MULTI_RECORD']. Answer with"),
        (
            {"MaxConcurrentTransforms": 5, "MaxPayloadInMB": 21},
            (
                "takes no 5 requests of 21 MB at once. "
                "MaxConcurrentTransforms (else 1) times MaxPayloadInMB (else 6) may be at most 100."
            ),
        ),
        ({"MaxPayloadInMB": 101}, "takes no 1 requests of 101 MB at once."),
        ({"MaxConcurrentTransforms": 17}, "takes no 17 requests of 6 MB at once."),
    ],
)
def test_parameters_that_no_job_can_go_by_end_the_start(answer: dict[Any, Any], message: str) -> None:
    with pytest.raises(StartError) as caught:
        read_parameters(answer, "inference.py")
    assert str(caught.value).startswith(f"inference.py: execution_parameters_fn: batch transform {message}")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("MaxPayloadInMB=6", "execution_parameters_fn returned no JSON: Expecting value"),
        (b"\xff", "execution_parameters_fn returned no JSON: "),
        ("[6]", "execution_parameters_fn returned list; expected a dict or JSON text of one."),
        (None, "execution_parameters_fn returned NoneType; expected a dict or JSON text of one."),
        (6, "execution_parameters_fn returned int; expected a dict or JSON text of one."),
    ],
)
def test_what_is_no_set_of_parameters_ends_the_start(answer: Any, message: str) -> None:
    with pytest.raises(StartError) as caught:
        read_parameters(answer, "inference.py")
    assert message in str(caught.value)


# -- the hook


@pytest.mark.parametrize(
    "code",
    [
        "def execution_parameters_fn():\n    return {'MaxPayloadInMB': 1}\n",
        "def execution_parameters_fn():\n    return '{\"MaxPayloadInMB\": 1}'\n",
        "def execution_parameters_fn(context):\n    return {'MaxPayloadInMB': len([context])}\n",
        (
            "from flask import Response\n"
            "def execution_parameters_fn():\n    return Response('{\"MaxPayloadInMB\":1}', mimetype='text/json')\n"
        ),
        (
            "from sagemaker_containers.beta.framework import worker\n"
            "def execution_parameters_fn():\n    return worker.Response('{\"MaxPayloadInMB\":1}', status=200)\n"
        ),
    ],
)
def test_the_hook_answers_as_in_awss_containers_or_with_a_dict(tmp_path: Path, code: str) -> None:
    assert load_code(tmp_path, f"{ECHO}\n{code}").execution_parameters == {"MaxPayloadInMB": 1}


def test_without_the_hook_a_model_has_no_parameters_of_its_own(tmp_path: Path) -> None:
    assert load_code(tmp_path, ECHO).execution_parameters is None


def test_the_hook_is_asked_at_the_start_and_what_it_raises_ends_that(tmp_path: Path) -> None:
    hook = "def execution_parameters_fn():\n    raise KeyError('no')\n"
    with pytest.raises(StartError, match=r"line 9: execution_parameters_fn failed: KeyError: 'no'\. Mend it"):
        load_code(tmp_path, f"{ECHO}\n{hook}")


def test_a_hook_that_wants_arguments_is_refused(tmp_path: Path) -> None:
    expected = r"execution_parameters_fn\(a, b\) has the wrong parameters\. Expected execution_parameters_fn\(\), with"
    with pytest.raises(StartError, match=expected):
        load_code(tmp_path, f"{ECHO}\ndef execution_parameters_fn(a, b):\n    return dict()\n")


def test_a_bad_answer_of_the_hook_ends_the_start_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        StartError, match=r"code/inference\.py: execution_parameters_fn: batch transform knows no Max\."
    ):
        load_code(tmp_path, f"{ECHO}\ndef execution_parameters_fn():\n    return dict(Max=1)\n")


# -- the service

TWO_WORKERS = Plan(cpus=2.0, workers=2, threads=1)


def test_the_service_answers_from_the_plan_before_there_is_a_model(tmp_path: Path) -> None:
    service = ModelService(settings(SM_MODEL_DIR=str(tmp_path), SAGEMAKER_BATCH="true"), TWO_WORKERS, lambda _: None)
    assert service.execution_parameters == {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 50}


@pytest.mark.parametrize("answer", [{"MaxPayloadInMB": 1}, {}])
def test_the_service_answers_as_the_hook_says(tmp_path: Path, answer: dict[str, int]) -> None:
    model = load_code(tmp_path, f"{ECHO}\ndef execution_parameters_fn():\n    return {answer}\n")
    read = settings(SM_MODEL_DIR=str(tmp_path), SERVING_LOAD_PER="worker")
    service = ModelService(read, TWO_WORKERS, lambda _: model)
    service.prepare()
    service.start()
    assert service.execution_parameters == answer
