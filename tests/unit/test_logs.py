"""One JSON object a line, whatever is logged."""

import io
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

import pytest

from serving import logs

CODE = Path(logs.__file__).parent.parent


class Log(logging.Logger):
    """A logger that nobody else knows, and the text that it wrote."""

    def __init__(self) -> None:
        super().__init__("a.test")
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(logs.JsonFormatter())
        self.addHandler(handler)


@pytest.fixture
def log() -> Log:
    return Log()


def refuse_constant(name: str) -> Never:
    raise AssertionError(f"{name} is not JSON")


def only_line(log: Log) -> dict[str, Any]:
    """Return the one line that was written, as strict JSON."""
    text = log.stream.getvalue()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=refuse_constant)


def test_a_line_has_time_level_logger_and_message(log: Log) -> None:
    log.warning("%d of %s", 2, "these")
    line = only_line(log)
    assert list(line) == ["time", "level", "logger", "message"]
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "a.test", "2 of these")


def test_the_time_is_utc_in_iso_8601(log: Log) -> None:
    log.info("now")
    written = datetime.fromisoformat(only_line(log)["time"])
    assert written.utcoffset().total_seconds() == 0
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60


def test_extra_fields_are_fields_of_the_line(log: Log) -> None:
    log.info("request", extra={"status": 200, "request_id": "abc", "plan": {"workers": 2}})
    line = only_line(log)
    assert (line["status"], line["request_id"], line["plan"]) == (200, "abc", {"workers": 2})


def test_a_message_of_several_lines_stays_one_line(log: Log) -> None:
    log.info("first\nsecond\r\nthird")
    assert only_line(log)["message"] == "first\nsecond\r\nthird"


def test_a_traceback_stays_inside_its_line(log: Log) -> None:
    try:
        raise RuntimeError("the cause")
    except RuntimeError:
        log.exception("it failed")
    line = only_line(log)
    assert line["message"] == "it failed"
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert line["traceback"].endswith("RuntimeError: the cause")


def test_an_exception_may_be_passed_instead_of_being_handled(log: Log) -> None:
    log.error("it failed", exc_info=ValueError("the cause"))
    assert only_line(log)["traceback"] == "ValueError: the cause"


def failure(log: Log) -> dict[str, Any]:
    """Return the line of an error that quotes an input, raised in a hook."""
    try:
        try:
            int("4111 secret")
        except ValueError as error:
            raise KeyError("secret too") from error
    except KeyError as error:
        log.error("predict_fn failed", exc_info=error)
    return only_line(log)


@pytest.mark.parametrize("name", ["serving.refusals", "gunicorn.error"])
def test_what_an_exception_in_a_hook_says_is_not_logged_for_it_may_quote_an_input(log: Log, name: str) -> None:
    log.name = name
    line = failure(log)
    assert "secret" not in line["traceback"].replace('int("4111 secret")', "").replace('KeyError("secret too")', "")
    assert "invalid literal" not in line["traceback"]


def test_what_is_needed_to_mend_a_hook_is_logged(log: Log) -> None:
    log.name = "serving.refusals"
    told = failure(log)["traceback"]
    assert told.count("Traceback (most recent call last):") == 2
    assert f'File "{__file__}", line ' in told
    assert 'int("4111 secret")' in told  # a line of code
    assert told.index("ValueError: (its message may quote") < told.index("which led to:") < told.index("KeyError: (its")
    assert told.endswith("(its message may quote an input, and is logged at SAGEMAKER_CONTAINER_LOG_LEVEL=10)")


def test_those_who_look_for_a_fault_see_the_message_too(log: Log) -> None:
    log.name = "serving.refusals"
    log.handlers[0].setFormatter(logs.JsonFormatter(quotes=True))
    assert "invalid literal for int() with base 10: '4111 secret'" in failure(log)["traceback"]


def test_what_users_log_of_an_exception_is_theirs_to_choose(log: Log) -> None:
    assert "invalid literal" in failure(log)["traceback"]


def test_errors_that_led_to_each_other_come_to_an_end(log: Log) -> None:
    log.name = "serving.refusals"
    first, second = ValueError("secret"), KeyError("secret")
    first.__cause__, second.__cause__ = second, first
    log.error("it failed", exc_info=first)
    assert only_line(log)["traceback"].count("which led to:") == 1


@pytest.mark.parametrize(("level", "said"), [("INFO", False), ("DEBUG", True)])
def test_the_level_decides_whether_messages_are_written(level: str, said: bool) -> None:
    (line,) = written_by(
        f"logging.config.dictConfig(logs.configuration(logging.{level}))\n"
        "try: raise RuntimeError(str(6 * 7) + ' is the input')\n"
        "except RuntimeError: logging.getLogger('serving.x').exception('it failed')\n"
    )
    assert ("42 is the input" in line["traceback"]) == said


CYCLE = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value",
    [Path("/a"), {1, 2}, b"bytes", object(), float("nan"), float("inf"), [float("-inf")], {("a", 1): 2}, CYCLE],
    ids=["a path", "a set", "bytes", "an object", "not a number", "infinity", "nested", "a tuple as key", "a cycle"],
)
def test_a_value_that_json_does_not_know_still_makes_a_valid_line(log: Log, value: Any) -> None:
    """Users log what they like from their hooks, and a log collector drops the line that it cannot parse."""
    log.info("measured", extra={"value": value})
    line = only_line(log)
    assert line["message"] == "measured"
    assert "value" in line


@pytest.mark.parametrize("text", ["ş and 😀", "\x00\x1b[31m", '"quoted" \\', "\u2028"])
def test_any_text_survives(log: Log, text: str) -> None:
    log.info(text)
    assert only_line(log)["message"] == text


def written_by(program: str) -> list[dict[str, Any]]:
    """Run the program with our logging configuration, and return what came on stderr, line by line."""
    begin = "import logging, logging.config\nfrom serving import logs\n"
    command = [sys.executable, "-c", begin + program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_every_logger_writes_each_line_once_as_json() -> None:
    lines = written_by(
        "early = logging.getLogger('made.before')\n"
        "logging.config.dictConfig(logs.configuration(logging.INFO))\n"
        "for name in ('made.before', 'serving.x', 'gunicorn.error', 'of.a.user'):\n"
        "    logging.getLogger(name).warning('hello')\n"
        "logging.info('hello')\n"
    )
    assert [line["logger"] for line in lines] == ["made.before", "serving.x", "gunicorn.error", "of.a.user", "root"]


@pytest.mark.parametrize(("level", "said"), [("INFO", []), ("DEBUG", ["Booting worker"])])
def test_gunicorns_account_of_its_workers_is_for_those_who_look_for_a_fault(level: str, said: list[str]) -> None:
    lines = written_by(
        f"logging.config.dictConfig(logs.configuration(logging.{level}))\n"
        "logging.getLogger('gunicorn.error').info('Booting worker')\n"
    )
    assert [line["message"] for line in lines] == said


def test_gunicorns_own_access_log_is_silent() -> None:
    assert (
        written_by(
            "logging.config.dictConfig(logs.configuration(logging.DEBUG))\n"
            "logging.getLogger('gunicorn.access').info('GET /')\n"
        )
        == []
    )


@pytest.mark.parametrize(
    ("level", "expected"), [(10, ["DEBUG", "INFO", "ERROR"]), (20, ["INFO", "ERROR"]), (40, ["ERROR"])]
)
def test_the_level_is_the_least_that_is_written(level: int, expected: list[str]) -> None:
    lines = written_by(
        f"logging.config.dictConfig(logs.configuration({level}))\n"
        "for level in (10, 20, 40): logging.log(level, 'hello')\n"
    )
    assert [line["level"] for line in lines] == expected


def test_a_traceback_of_thousands_of_frames_fits_into_a_pipe() -> None:
    def one(depth: int) -> Never:
        other(depth)

    def other(depth: int) -> Never:
        if depth:
            one(depth - 1)
        raise KeyError

    with pytest.raises(KeyError) as caught:
        one(200)
    told = logs.without_messages(caught.value)
    assert "frames are left out ..." in told
    assert told.count("  File ") == logs.OUTERMOST + logs.INNERMOST
    assert told.endswith(f"KeyError: {logs.SILENT}")
