"""The environment in, one checked and immutable object out."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server import PROGRAM
from serving.errors import StartError
from serving.places import BAKED_MODEL, MOUNTED_MODEL
from serving.settings import BODY_SLACK, MEGABYTE, Settings


def settings_from(**environ: str) -> Settings:
    return Settings.from_environment({"SM_MODEL_DIR": "/models/mine", **environ})


def serve(environ: dict[str, str], *prefix: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, str(PROGRAM)]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=False, timeout=60
    )


DEFAULTS = {
    "model_dir": Path("/models/mine"),
    "program": "inference.py",
    "code_dir": Path("/models/mine/code"),
    "port": 8080,
    "workers": None,
    "timeout": 60,
    "startup_timeout": 3600,
    "max_body_bytes": 25 * MEGABYTE + BODY_SLACK,
    "default_accept": None,
    "log_level": logging.INFO,
    "canary_timeout": 30,
    "batch_rows": 1024,
    "max_wait": None,
    "user": None,
    "emf": None,
    "quarantine": 300,
    "load_per": None,
    "memory": None,
    "model_bytes": None,
    "run_dir": None,
    "status_fd": None,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_has_a_default(name: str) -> None:
    assert getattr(settings_from(), name) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("SM_MODEL_DIR", "/elsewhere", "model_dir", Path("/elsewhere")),
        ("SAGEMAKER_PROGRAM", "serve_it.py", "program", "serve_it.py"),
        ("SAGEMAKER_BIND_TO_PORT", "9000", "port", 9000),
        ("SAGEMAKER_BIND_TO_PORT", "65535", "port", 65535),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", " 3 ", "workers", 3),
        ("MODEL_SERVER_WORKERS", "4", "workers", 4),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "120", "timeout", 120),
        ("MODEL_SERVER_TIMEOUT", "130", "timeout", 130),
        ("SAGEMAKER_STARTUP_TIMEOUT", "5", "startup_timeout", 5),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6", "max_body_bytes", 6 * MEGABYTE + BODY_SLACK),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv", "default_accept", "text/csv"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "10", "log_level", logging.DEBUG),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "warning", "log_level", logging.WARNING),
        ("SERVING_CANARY_TIMEOUT", "2", "canary_timeout", 2),
        ("SERVING_BATCH_ROWS", "64", "batch_rows", 64),
        ("SERVING_BATCH_ROWS", "0", "batch_rows", 0),
        ("SERVING_MAX_WAIT", "5", "max_wait", 5),
        ("SAGEMAKER_BATCH", "true", "max_wait", 600),
        ("SERVING_QUARANTINE", "0", "quarantine", 0),
        ("SERVING_USER", "12345:77", "user", "12345:77"),
        ("SERVING_LOAD_PER", "worker", "load_per", "worker"),
        ("SERVING_MEMORY_MB", "512", "memory", 512 * MEGABYTE),
        ("SERVING_MODEL_MB", "64", "model_bytes", 64 * MEGABYTE),
        ("SERVING_LOAD_PER", "container", "load_per", "container"),
        ("SERVING_RUN_DIR", "/tmp/run", "run_dir", Path("/tmp/run")),
        ("SERVING_STATUS_FD", "0", "status_fd", 0),
    ],
)
def test_each_variable_sets_its_setting(variable: str, text: str, name: str, value: Any) -> None:
    assert getattr(settings_from(**{variable: text}), name) == value


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_SERVER_WORKERS", "workers"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "MODEL_SERVER_TIMEOUT", "timeout"),
    ],
)
def test_sagemakers_spelling_wins_unless_it_is_empty(ours: str, theirs: str, name: str) -> None:
    assert getattr(settings_from(**{ours: "7", theirs: "8"}), name) == 7
    assert getattr(settings_from(**{ours: "", theirs: "8"}), name) == 8


def test_an_empty_variable_counts_as_not_set() -> None:
    assert settings_from(SAGEMAKER_BIND_TO_PORT="").port == 8080


@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_batch_transform_has_longer_deadlines_and_larger_bodies(text: str) -> None:
    settings = settings_from(SAGEMAKER_BATCH=text)
    assert (settings.timeout, settings.max_body_bytes) == (600, 100 * MEGABYTE + BODY_SLACK)


def test_what_the_operator_says_wins_over_the_defaults_of_batch_transform() -> None:
    settings = settings_from(
        SAGEMAKER_BATCH="true", SAGEMAKER_MODEL_SERVER_TIMEOUT="30", SAGEMAKER_MAX_PAYLOAD_IN_MB="6"
    )
    assert (settings.timeout, settings.max_body_bytes) == (30, 6 * MEGABYTE + BODY_SLACK)


@pytest.mark.parametrize("batch", ["true", "false"])
def test_a_payload_of_0_is_no_limit(batch: str) -> None:
    assert settings_from(SAGEMAKER_MAX_PAYLOAD_IN_MB="0", SAGEMAKER_BATCH=batch).max_body_bytes is None


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http", "a port between 1 and 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "a port between 1 and 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "a port between 1 and 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "-1", "a port between 1 and 65535"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "0", "a whole number, at least 1"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "many", "a whole number, at least 1"),
        ("MODEL_SERVER_WORKERS", "2.5", "a whole number, at least 1"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "1", "a whole number, at least 2"),
        ("MODEL_SERVER_TIMEOUT", "60s", "a whole number, at least 2"),
        ("SAGEMAKER_STARTUP_TIMEOUT", "0", "a whole number, at least 1"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "-1", "a whole number, at least 0"),
        ("SAGEMAKER_BATCH", "yes", "true or false"),
        ("SAGEMAKER_MULTI_MODEL", "maybe", "true or false"),
        (
            "SAGEMAKER_CONTAINER_LOG_LEVEL",
            "loud",
            "a number such as 20, or one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ),
        ("SERVING_CANARY_TIMEOUT", "0", "a whole number, at least 1"),
        ("SERVING_LOAD_PER", "request", "container or worker"),
        ("SERVING_STATUS_FD", "stderr", "a whole number, at least 0"),
    ],
)
def test_a_bad_value_is_refused_with_the_variable_the_value_and_what_was_expected(
    variable: str, text: str, expected: str
) -> None:
    with pytest.raises(StartError) as refusal:
        settings_from(**{variable: text})
    assert str(refusal.value) == f"{variable} is {text!r}; expected {expected}."


def test_a_bad_value_of_a_spelling_that_is_not_used_does_no_harm() -> None:
    assert settings_from(SAGEMAKER_MODEL_SERVER_WORKERS="2", MODEL_SERVER_WORKERS="many").workers == 2


@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_being_one_of_many_models_is_refused_with_what_to_do_instead(text: str) -> None:
    with pytest.raises(StartError, match=r"SAGEMAKER_MULTI_MODEL is true.*its own endpoint"):
        settings_from(SAGEMAKER_MULTI_MODEL=text)


def test_multi_model_false_is_no_reason_to_refuse() -> None:
    assert settings_from(SAGEMAKER_MULTI_MODEL="false") == settings_from()


def test_the_model_is_sagemakers_folder_or_the_one_in_the_image() -> None:
    mounted = MOUNTED_MODEL.is_dir() and any(MOUNTED_MODEL.iterdir())
    expected = BAKED_MODEL if BAKED_MODEL.is_dir() and not mounted else MOUNTED_MODEL
    assert Settings.from_environment({}).model_dir == expected


def test_a_relative_model_folder_becomes_absolute_because_the_children_work_elsewhere() -> None:
    assert Settings.from_environment({"SM_MODEL_DIR": "mine"}).model_dir == Path.cwd() / "mine"


def test_the_hooks_may_lie_outside_the_model_folder(tmp_path: Path) -> None:
    assert settings_from(SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path)).code_dir == tmp_path


def test_a_relative_folder_of_hooks_becomes_absolute_because_the_children_work_elsewhere(tmp_path: Path) -> None:
    relative = os.path.relpath(tmp_path)
    code_dir = settings_from(SAGEMAKER_SUBMIT_DIRECTORY=relative).code_dir
    assert code_dir.is_absolute()
    assert code_dir.samefile(tmp_path)


@pytest.mark.parametrize("address", ["s3://bucket/code/sourcedir.tar.gz", "/no/such/folder"])
def test_a_folder_of_hooks_that_is_not_here_is_ignored(address: str) -> None:
    assert settings_from(SAGEMAKER_SUBMIT_DIRECTORY=address).code_dir == Path("/models/mine/code")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings_from().port = 1


@pytest.mark.parametrize("environ", [{"SAGEMAKER_BIND_TO_PORT": "http"}, {"SAGEMAKER_MULTI_MODEL": "true"}])
def test_a_refused_environment_ends_the_start_with_status_1_and_one_line_of_json(environ: dict[str, str]) -> None:
    ended = serve(environ)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    (variable,) = environ
    assert json.loads(line)["level"] == "CRITICAL"
    assert json.loads(line)["message"].startswith(f"cannot start: {variable} is ")


@pytest.mark.nginx
def test_a_machine_without_a_folder_to_write_to_ends_the_start_with_status_1_and_one_line_of_json() -> None:
    no_file_may_grow = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")  # what a read-only container is like
    ended = serve({"PYTHONDONTWRITEBYTECODE": "1"}, *no_file_may_grow)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["message"].startswith("cannot start: ")
