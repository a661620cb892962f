"""Exceptions: whose fault it is decides the status, and the caller learns no more than it should."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import ECHO, MATRIX, ask, load_code, separate_imports
from serving.errors import ModelFailed, RequestError, StartError
from serving.hooks import Hooks
from serving.model import Model

SECRET = "what only the log may tell"


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


class Failing:
    """A model that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, rows: object) -> object:
        """Raise the error."""
        del rows
        raise self.error


def code_that_raises(hook: str, error: str) -> str:
    parameters = {"transform_fn": "model, body, content_type, accept"}.get(hook, "first, second")
    start = "def model_fn(model_dir):\n    return 1\n" if hook == "transform_fn" else ECHO
    return f"{start}\ndef {hook}({parameters}):\n    raise {error}\n"


def failure(root: Path, code: str) -> RequestError:
    model = load_code(root, code)
    with pytest.raises(RequestError) as caught:
        ask(model, "1,2", "text/csv")
    return caught.value


@pytest.mark.parametrize("error", ["ValueError", "TypeError", "KeyError", "IndexError", "UnicodeError"])
def test_a_parsing_error_in_input_fn_is_the_callers(tmp_path: Path, error: str) -> None:
    found = failure(tmp_path, code_that_raises("input_fn", f"{error}({SECRET!r})"))
    assert (found.status, found.code) == (400, "bad_request")
    assert found.message == f"input_fn cannot read the body ({error}); the log has the details."


@pytest.mark.parametrize("error", ["RuntimeError", "AttributeError", "OSError", "MemoryError", "ZeroDivisionError"])
def test_any_other_error_in_input_fn_is_the_models(tmp_path: Path, error: str) -> None:
    found = failure(tmp_path, code_that_raises("input_fn", f"{error}({SECRET!r})"))
    assert (found.status, found.code) == (500, "model_failed")
    assert found.message == f"input_fn failed ({error}); the log has the details."


@pytest.mark.parametrize("hook", ["predict_fn", "output_fn", "transform_fn"])
@pytest.mark.parametrize("error", ["ValueError", "KeyError", "RuntimeError"])
def test_an_error_in_any_other_hook_is_the_models(tmp_path: Path, hook: str, error: str) -> None:
    found = failure(tmp_path, code_that_raises(hook, f"{error}({SECRET!r})"))
    assert (found.status, found.code) == (500, "model_failed")
    assert found.message == f"{hook} failed ({error}); the log has the details."


@pytest.mark.parametrize("hook", ["input_fn", "predict_fn", "output_fn", "transform_fn"])
def test_the_cause_is_kept_for_the_log(tmp_path: Path, hook: str) -> None:
    found = failure(tmp_path, code_that_raises(hook, f"RuntimeError({SECRET!r})"))
    assert str(found.__cause__) == SECRET


@pytest.mark.parametrize("hook", ["input_fn", "predict_fn", "output_fn", "transform_fn"])
@pytest.mark.parametrize("status", [400, 415, 422, 503])
def test_an_error_with_a_status_code_is_an_answer_of_the_users_own(tmp_path: Path, hook: str, status: int) -> None:
    """As AWS's inference toolkit raises them."""
    error = f"class Refused(Exception):\n    status_code = {status}\n"
    refusal = code_that_raises(hook, "Refused('no such shop')")
    found = failure(tmp_path, f"{error}\n{refusal}")
    assert (found.status, found.code, found.message) == (status, f"{hook}_refused", "no such shop")


def test_the_message_of_aws_toolkit_errors_is_their_message(tmp_path: Path) -> None:
    error = (
        "class BaseInferenceToolkitError(Exception):\n    def __init__(self, status_code, message, phrase):\n"
        "        self.status_code, self.message, self.phrase = status_code, message, phrase\n"
    )
    code = code_that_raises("predict_fn", 'BaseInferenceToolkitError(409, "busy", "Conflict")')
    found = failure(tmp_path, f"{error}\n{code}")
    assert (found.status, found.message) == (409, "busy")


@pytest.mark.parametrize("status", ["200", "302", "99", "'400'", "None", "600"])
def test_a_status_code_that_is_no_error_is_ignored(tmp_path: Path, status: str) -> None:
    error = f"class Refused(Exception):\n    status_code = {status}\n"
    refusal = code_that_raises("predict_fn", f"Refused({SECRET!r})")
    found = failure(tmp_path, f"{error}\n{refusal}")
    assert (found.status, found.code) == (500, "model_failed")
    assert SECRET not in found.message


@pytest.mark.parametrize("hook", ["input_fn", "predict_fn", "output_fn", "transform_fn"])
@pytest.mark.parametrize("error", ["SystemExit(3)", "asyncio.CancelledError()"])
def test_what_is_no_exception_but_ends_programs_fails_its_request_alone(tmp_path: Path, hook: str, error: str) -> None:
    found = failure(tmp_path, f"import asyncio\n{code_that_raises(hook, error)}")
    assert (found.status, found.code) == (500, "model_failed")


@pytest.mark.parametrize("code", ["import sys\nsys.exit(0)\n", "def model_fn(model_dir):\n    raise SystemExit(0)\n"])
def test_code_that_calls_sys_exit_is_a_failed_start_and_not_a_successful_end(tmp_path: Path, code: str) -> None:
    with pytest.raises(StartError, match="SystemExit"):
        load_code(tmp_path, code)


def test_a_text_that_cannot_be_decoded_never_reaches_input_fn(tmp_path: Path) -> None:
    model = load_code(tmp_path, code_that_raises("input_fn", "RuntimeError"))
    with pytest.raises(RequestError) as caught:
        ask(model, b"\xff", "text/csv")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValueError(SECRET), 422, "unprocessable_input"),
        (TypeError(SECRET), 500, "model_failed"),
        (RuntimeError(SECRET), 500, "model_failed"),
        (MemoryError(SECRET), 500, "model_failed"),
    ],
)
def test_the_models_own_method_refuses_with_value_error_and_fails_with_any_other(
    error: Exception, status: int, code: str
) -> None:
    model = Model(Failing(error), Hooks(), MATRIX, "application/json", Path("/model"))
    with pytest.raises(RequestError) as caught:
        ask(model, "1,2", "text/csv")
    assert (caught.value.status, caught.value.code) == (status, code)
    assert SECRET not in caught.value.message
    assert caught.value.__cause__ is error


def test_a_prediction_that_cannot_be_written_is_the_models_fault(tmp_path: Path) -> None:
    code = f"{ECHO}\ndef predict_fn(data, model):\n    return object()\n"
    assert isinstance(failure(tmp_path, code), ModelFailed)


@pytest.mark.parametrize("hook", ["input_fn", "predict_fn", "output_fn", "transform_fn"])
def test_a_hook_may_raise_the_servers_own_errors(tmp_path: Path, hook: str) -> None:
    code = code_that_raises(hook, "UnprocessableInput('Row 1 is from the future.')")
    found = failure(tmp_path, f"from serving.errors import UnprocessableInput\n{code}")
    assert (found.status, found.code, found.message) == (422, "unprocessable_input", "Row 1 is from the future.")


def test_model_fn_may_end_the_start_with_a_message_of_its_own(tmp_path: Path) -> None:
    raises = "def model_fn(model_dir):\n    raise StartError('The licence has expired. Renew it.')\n"
    with pytest.raises(StartError, match=r"^The licence has expired\. Renew it\.$"):
        load_code(tmp_path, f"from serving.errors import StartError\n{raises}")
