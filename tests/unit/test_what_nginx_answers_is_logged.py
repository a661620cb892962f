"""The pipe into which nginx writes what it answers itself, and what `serve` makes of it."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import counts
from serving import metric_cells as cells
from serving import nginx as door
from serving.door_log import CODES, DoorLog, door_pipe
from serving.metric_table import SUPERVISOR, Table
from serving.settings import Settings

SAID = {
    "time": "1790000000.250",
    "request_id": "id-1",
    "method": "POST",
    "path": "/invocations",
    "status": "413",
    "request_bytes": "30000000",
    "response_bytes": "163",
    "seconds": "0.250",
    "code": "",
}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    table = Table.create(tmp_path, 1)
    counts.OURS.become(table.slot(SUPERVISOR))
    return table


@pytest.fixture
def nginx_writes(tmp_path: Path, table: Table) -> Iterator[Callable[..., None]]:
    """Write into the pipe, and have it read."""
    logging.getLogger("serving.door_log").setLevel(logging.INFO)
    log = DoorLog(tmp_path)
    writer = os.open(door_pipe(tmp_path), os.O_WRONLY | os.O_APPEND)

    def write(*pieces: bytes) -> None:
        for piece in pieces:
            os.write(writer, piece)
            log.take()

    yield write
    os.close(writer)
    os.close(log.reader)
    logging.getLogger("serving.door_log").setLevel(logging.NOTSET)


def line(**fields: str) -> bytes:
    return json.dumps({**SAID, **fields}).encode() + b"\n"


def lines_in(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in capfd.readouterr().err.splitlines()]


def test_a_refusal_of_nginxs_is_logged_as_the_workers_log_theirs(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    nginx_writes(line())
    (written,) = lines_in(capfd)
    assert (written["message"], written["level"], written["request_id"]) == ("request", "INFO", "id-1")
    assert (written["status"], written["code"], written["answered_by"]) == (413, "payload_too_large", "nginx")
    assert (written["request_bytes"], written["response_bytes"]) == (30000000, 163)
    assert written["milliseconds"] == 250


def test_a_line_has_the_time_of_its_answer_not_of_its_reading(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    nginx_writes(line())
    assert lines_in(capfd)[0]["time"] == "2026-09-21T14:13:20.250+00:00"


def test_a_code_that_the_configuration_names_is_the_lines(
    nginx_writes: Callable[..., None], table: Table, capfd: pytest.CaptureFixture[str]
) -> None:
    nginx_writes(line(status="503", code="overloaded"), line(status="503"))
    assert [written["code"] for written in lines_in(capfd)] == ["overloaded", "unavailable"]
    assert table.totals()[cells.cell_of_refusal("overloaded")] == 1


def test_it_is_counted(nginx_writes: Callable[..., None], table: Table) -> None:
    nginx_writes(line(), line(), line(path="/x", status="404"))
    numbers = table.totals()
    assert list(cells.requests_in(numbers)) == [("/invocations", 413, 2), ("other", 404, 1)]
    assert numbers[cells.cell_of_refusal("payload_too_large")] == 2
    assert numbers[cells.IN_FLIGHT] == 0


def test_what_has_no_path_method_or_length_is_logged_too(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    nginx_writes(line(method="", path="", request_bytes="", status="400"))
    (written,) = lines_in(capfd)
    assert (written["code"], written["request_bytes"]) == ("bad_request", None)


def test_lines_are_read_whatever_pieces_they_come_in(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    both = line() + line(request_id="id-2")
    nginx_writes(*[both[at : at + 50] for at in range(0, len(both), 50)])
    assert [written["request_id"] for written in lines_in(capfd)] == ["id-1", "id-2"]


@pytest.mark.parametrize(
    "nonsense", [b"no JSON\n", b"{}\n", b"[]\n", b"\xff\n", line(status="abc"), line(seconds="-"), b"x" * 200_000]
)
def test_what_cannot_be_read_ends_nothing(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str], nonsense: bytes
) -> None:
    nginx_writes(*[nonsense[at : at + 50_000] for at in range(0, len(nonsense), 50_000)], b"\n", line())
    assert "id-1" in capfd.readouterr().err


def test_every_error_that_nginx_writes_has_its_code_in_the_log() -> None:
    bodies = door.error_bodies(Settings.from_environment({}))
    assert set(bodies) == {*CODES.values(), "overloaded"} - {"request_timeout", "caller_gone"}
    assert re.findall(r"/_error/(\w+)  (\w+);", door.TEMPLATE.read_text()) == [("overloaded", "overloaded")]


def test_a_path_that_is_no_text_is_logged_and_counted_too(
    nginx_writes: Callable[..., None], capfd: pytest.CaptureFixture[str], table: Table
) -> None:
    nginx_writes(line(path="/caf?").replace(b"?", b"\xe9"))
    (written,) = lines_in(capfd)
    assert written["path"] == "/caf\ufffd"
