"""The health verdict, as nginx reads it: one file that says 200, another that says why not."""

import json
import os
from pathlib import Path

import pytest

from serving.health import HealthVerdict


def answer(run_dir: Path) -> int | str:
    """Return what /ping answers, as nginx finds it out."""
    if (run_dir / "healthy").exists():
        return 200
    return json.loads((run_dir / "unhealthy.json").read_bytes())["error"]["message"]


def test_the_verdict_begins_unhealthy(tmp_path: Path) -> None:
    HealthVerdict(tmp_path)
    assert answer(tmp_path) == "The server is starting."


def test_a_verdict_left_by_an_earlier_start_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "healthy").touch()
    HealthVerdict(tmp_path)
    assert answer(tmp_path) == "The server is starting."


HEALTHY = None
SEQUENCES = [
    ["loading"],
    ["loading", HEALTHY],
    ["loading", HEALTHY, "draining"],
    ["loading", HEALTHY, "loading"],
    ["loading", "loading", "draining"],
    [HEALTHY, HEALTHY, "no worker", HEALTHY, "no worker", "no worker", HEALTHY],
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_the_answer_is_always_the_latest_verdict(tmp_path: Path, sequence: list[str | None]) -> None:
    verdict = HealthVerdict(tmp_path)
    for reason in sequence:
        if reason is HEALTHY:
            verdict.healthy()
        else:
            verdict.unhealthy(reason)
        assert answer(tmp_path) == (200 if reason is HEALTHY else reason)
        assert verdict.reason == reason


def test_the_reason_is_an_error_in_the_applications_form(tmp_path: Path) -> None:
    HealthVerdict(tmp_path).unhealthy('The "model" is loading: ş.')
    assert json.loads((tmp_path / "unhealthy.json").read_bytes()) == {
        "error": {"code": "not_ready", "message": 'The "model" is loading: ş.', "request_id": None}
    }


def test_a_reason_is_replaced_as_a_whole_never_written_over(tmp_path: Path) -> None:
    verdict = HealthVerdict(tmp_path)
    with (tmp_path / "unhealthy.json").open("rb") as being_sent_by_nginx:
        verdict.unhealthy("short")
        assert json.loads(being_sent_by_nginx.read())["error"]["message"] == "The server is starting."


def test_nothing_but_the_verdict_is_left_in_the_folder(tmp_path: Path) -> None:
    verdict = HealthVerdict(tmp_path)
    verdict.healthy()
    verdict.unhealthy("draining")
    verdict.healthy()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["healthy", "unhealthy.json"]


def test_a_link_that_was_put_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Whoever runs the model may write to the folder, and the verdict is written by root."""
    verdict, precious = HealthVerdict(tmp_path), tmp_path / "precious"
    precious.write_text("as it was")
    for name in ("unhealthy.new", "healthy"):
        (tmp_path / name).symlink_to(precious)
    verdict.unhealthy("draining")
    (tmp_path / "healthy").symlink_to(tmp_path / "nothing")
    verdict.healthy()
    assert (precious.read_text(), (tmp_path / "nothing").exists()) == ("as it was", False)


def test_everybody_can_read_the_verdict_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        HealthVerdict(tmp_path).healthy()
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "healthy": 0o644,
        "unhealthy.json": 0o644,
    }


def test_a_folder_that_cannot_be_written_to_is_said_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = HealthVerdict(tmp_path / "run_dir_that_is_gone")
    verdict.healthy()
    verdict.drain("The server is draining.")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4  # the first verdict, and those three
    assert all("the verdict of /ping cannot be written" in line for line in said)
    assert all("look at the room in the temporary folder" in line for line in said)


def test_a_full_disk_does_not_keep_the_server_healthy(tmp_path: Path) -> None:
    verdict = HealthVerdict(tmp_path)
    verdict.healthy()
    (tmp_path / "unhealthy.new").mkdir()  # in the way of the reason
    verdict.unhealthy("No worker is ready.")
    assert not (tmp_path / "healthy").exists()
