"""What processes count, in slots of one table, and what `GET /metrics` makes of it."""

import ast
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import counts, errors, hooks
from serving import metric_cells as cells
from serving.access import log_access
from serving.deaths import CAUSES
from serving.door_log import CODES as CODES_OF_NGINX
from serving.exposition import FRESH, Exposition, Fresh
from serving.inference import Timing
from serving.metric_table import ARBITER, FILE_NAME, SPARE, SUPERVISOR, Slot, Table

CODE = Path(counts.__file__).parent.parent
HISTOGRAM = cells.REQUEST_SECONDS


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table for two workers, as `serve` makes it."""
    return Table.create(tmp_path, 2)


@pytest.fixture
def ours(table: Table) -> Slot:
    """The slot of worker 0, in which this process counts."""
    counts.OURS.become(table.slot_of_worker(0))
    return counts.OURS


def exposed(table: Table, run_dir: Path | None = None, **options: Callable[[int], int | None]) -> dict[str, float]:
    """Return the value of each series, as Prometheus' own parser reads the text."""
    text, media_type = Exposition(table, run_dir, CODE, **options)()
    assert media_type.startswith("text/plain; version=0.0.4")
    return {
        series_name(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def series_name(name: str, labels: dict[str, str]) -> str:
    return name + "".join(f" {label}={value}" for label, value in sorted(labels.items()))


def answered(path: str = "/invocations", status: int = 200, code: str | None = None, **timing: float) -> None:
    """Have a request begin and end."""
    known = Timing()
    for name, value in timing.items():
        setattr(known, name, value)
    counts.request_begins(path)
    line = {"path": path, "status": status, "request_bytes": 10, "response_bytes": 4}
    counts.request_ends({**line, **({"code": code} if code else {})}, 0.003, known)


def test_a_request_is_counted_by_path_and_status(table: Table, ours: Slot) -> None:
    answered()
    answered()
    answered(status=415, code="unsupported_media_type")
    answered("/elsewhere", 404, "not_found")
    series = exposed(table)
    assert series["serving_requests_total path=/invocations status=200"] == 2
    assert series["serving_requests_total path=/invocations status=415"] == 1
    assert series["serving_requests_total path=other status=404"] == 1
    assert series["serving_refusals_total code=unsupported_media_type"] == 1
    assert series["serving_refusals_total code=not_found"] == 1
    assert series["serving_refusals_total code=overloaded"] == 0
    assert series["serving_request_bytes_total"] == 30
    assert series["serving_request_seconds_count"] == 3


def test_all_slots_are_one_sum(table: Table) -> None:
    for slot in (table.slot(SUPERVISOR), table.slot(ARBITER), table.slot(SPARE), *map(table.slot_of_worker, (0, 1))):
        slot.add(cells.cell_of_request("/invocations", 200))
    assert exposed(table)["serving_requests_total path=/invocations status=200"] == 5


def test_a_request_that_dies_with_its_worker_is_not_counted(table: Table, ours: Slot) -> None:
    counts.request_begins("/invocations")
    assert exposed(table)["serving_requests_in_flight"] == 1
    table.slot_of_worker(0).forget_gauges()  # as the arbiter does
    series = exposed(table)
    assert series["serving_requests_in_flight"] == 0
    assert not any(name.startswith("serving_requests_total") for name in series)


def test_counters_go_on_where_a_dead_worker_left_them(tmp_path: Path) -> None:
    Table.create(tmp_path, 1)
    program = (
        "import os, signal, sys; from pathlib import Path; from serving.metric_cells import PID, WORKER_STARTS;"
        "from serving.metric_table import Table;"
        "slot = Table.open(Path(sys.argv[1])).slot_of_worker(0); slot.add(WORKER_STARTS); slot.set(PID, 1);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    seen = []
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], env={"PYTHONPATH": str(CODE)}, check=False)
        seen.append(Table.open(tmp_path).totals()[cells.WORKER_STARTS])
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("value", [0.0, 0.0004, 0.001, 0.0010001, 0.3, 60.0, 61.0, 1e9])
def test_a_value_is_in_every_bucket_whose_bound_it_does_not_exceed(table: Table, value: float) -> None:
    table.slot_of_worker(1).observe(HISTOGRAM, value)
    series = exposed(table)
    for bound in (*HISTOGRAM.bounds, math.inf):
        name = "+Inf" if bound == math.inf else bound
        assert series[f"serving_request_seconds_bucket le={name}"] == (value <= bound)
    assert series["serving_request_seconds_sum"] == value


def test_the_cells_of_a_slot_do_not_overlap() -> None:
    histograms = (cells.REQUEST_SECONDS, cells.QUEUE_SECONDS, cells.MODEL_SECONDS, cells.BATCH_REQUESTS)
    taken = [cell for one in histograms for cell in range(one.first, one.sum + 1)]
    taken += [cells.cell_of_request(path, status) for path in cells.PATHS for status in cells.STATUSES]
    taken += map(cells.cell_of_refusal, cells.CODES)
    taken += map(cells.cell_of_death, CAUSES)
    taken += [cells.REQUEST_BYTES, cells.RESPONSE_BYTES, cells.STREAMS_BROKEN, cells.LINES_DROPPED]
    taken += [cells.WORKER_STARTS, cells.LOAD_SECONDS, *cells.GAUGES]
    assert sorted(taken) == list(range(cells.LAYOUT.width))


def test_a_status_that_is_none_and_a_code_that_nobody_knows_are_counted_all_the_same(table: Table, ours: Slot) -> None:
    answered(status=999, code="something_of_a_hook")
    series = exposed(table)
    assert series["serving_requests_total path=/invocations status=599"] == 1
    assert series["serving_refusals_total code=other"] == 1


def codes_in_the_code() -> set[str]:
    """Return every error code that a class of the server has."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RequestError)]
    return {kind.code for kind in kinds}


def test_every_code_of_an_error_has_a_series_of_its_own() -> None:
    of_requests = ("put_fn", "predict_fn", "transform_fn")
    of_hooks = {f"{name}_refused" for name in hooks.PARAMETERS if name.endswith(of_requests)}
    assert codes_in_the_code() | of_hooks | set(CODES_OF_NGINX.values()) <= set(cells.CODES)


def test_the_codes_are_the_same_whatever_else_is_imported() -> None:
    """Or two processes would have different ideas of what a cell counts."""
    program = "import sys; {}; from serving.metric_cells import CODES; print(*CODES)"

    def said_after(first: str) -> bytes:
        command = [sys.executable, "-c", program.format(first)]
        return subprocess.run(command, env={"PYTHONPATH": str(CODE)}, capture_output=True, check=True).stdout

    assert said_after("pass") == said_after("import serving.service, serving.worker")


def test_what_one_process_counts_another_one_reads(tmp_path: Path) -> None:
    Table.create(tmp_path, 2).slot_of_worker(1).add(cells.WORKER_STARTS, 7)
    assert Table.open(tmp_path).totals()[cells.WORKER_STARTS] == 7


def test_a_folder_without_room_ends_the_start_and_not_a_worker_later(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from serving.metric_table import Table;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); Table.create(Path(sys.argv[1]), 2)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, capture_output=True, text=True, check=False)
    said = f"Cannot write {tmp_path}/metrics: File too large. Give the run folder room, or set TMPDIR."
    assert said in ran.stderr


@pytest.mark.parametrize("number", [None, 2, 99])
def test_a_worker_without_a_slot_of_its_own_is_counted_too(table: Table, number: int | None) -> None:
    table.slot_of_worker(number).add(cells.WORKER_STARTS)
    assert table.totals()[cells.WORKER_STARTS] == 1


def test_without_serve_a_process_counts_for_itself() -> None:
    table = Table.open(None)
    table.slot_of_worker(0).add(cells.WORKER_STARTS)
    assert table.totals()[cells.WORKER_STARTS] == 1


def test_only_its_owner_may_read_the_file(tmp_path: Path, table: Table) -> None:
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_workers_that_are_ready_have_a_memory_and_the_others_have_none(table: Table) -> None:
    table.slot_of_worker(1).set(cells.PID, 4711)
    series = exposed(table, held_by={4711: 1000}.__getitem__)
    assert series["serving_workers_ready"] == 1
    assert series["serving_worker_memory_bytes worker=1"] == series["serving_workers_memory_bytes"] == 1000
    assert "serving_worker_memory_bytes worker=0" not in series


def test_where_nobody_tells_of_memory_there_is_none_rather_than_zero(table: Table) -> None:
    table.slot_of_worker(1).set(cells.PID, 4711)
    assert "serving_worker_memory_bytes worker=1" not in exposed(table, held_by=lambda pid: None)


def test_the_memory_of_a_process_is_not_read_again_at_once() -> None:
    now, read = [0.0], []
    fresh = Fresh(lambda pid: read.append(pid) or len(read), lambda: now[0])
    assert [fresh(7), fresh(7)] == [1, 1]
    now[0] = FRESH
    assert fresh(7) == 2


def test_ready_is_what_ping_says(table: Table, tmp_path: Path) -> None:
    assert exposed(table, tmp_path)["serving_ready"] == 0
    (tmp_path / "healthy").touch()
    assert exposed(table, tmp_path)["serving_ready"] == 1


def test_the_time_that_a_load_takes_is_noted(table: Table, ours: Slot) -> None:
    assert counts.counted_load(lambda argument: argument + 1)(1) == 2
    assert exposed(table)["serving_model_load_seconds"] > 0


def test_batches_are_counted(table: Table, ours: Slot) -> None:
    counts.batch_ends(8, 0.02)
    series = exposed(table)
    assert (series["serving_batch_requests_sum"], series["serving_batch_requests_count"]) == (8, 1)
    assert series["serving_model_seconds_sum"] == 0.02


def test_deaths_are_counted_by_cause(table: Table, ours: Slot) -> None:
    counts.worker_died("out_of_memory")
    assert exposed(table)["serving_worker_deaths_total cause=out_of_memory"] == 1


def test_what_is_served_is_a_label(table: Table) -> None:
    (info,) = [name for name in exposed(table) if name.startswith("serving_info")]
    assert f"model={CODE.name}" in info
    assert f"python={sys.version.split()[0]}" in info


def test_a_request_for_the_metrics_is_counted_and_writes_no_line(
    table: Table, ours: Slot, capfd: pytest.CaptureFixture[str]
) -> None:
    log_access({"path": "/metrics", "status": 200, "request_bytes": None, "response_bytes": 9}, 0.0)
    assert exposed(table)["serving_requests_total path=/metrics status=200"] == 1
    assert capfd.readouterr().err == ""


def test_every_number_in_the_table_is_a_metric(table: Table) -> None:
    """A cell that is counted and never shown is work for nothing."""
    source = ast.parse((CODE / "serving" / "exposition.py").read_text())
    shown = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    histograms = {name for name, value in vars(cells).items() if isinstance(value, cells.Histogram)}
    assert histograms <= shown
    assert {"IN_FLIGHT", "WAITING", "PID", "LOAD_SECONDS", "DEATHS", "LINES_DROPPED", "WORKER_STARTS"} <= shown
