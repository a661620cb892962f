"""The measuring tools: what they read, what they compute, what they refuse."""

import asyncio
import contextlib
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import __main__, advice, closed_loop, environments, open_loop, plan, processes, table, tuner
from benchmark.catalogue import CATALOGUE, Server
from benchmark.closed_loop import Closed
from benchmark.compiled import compiled_folder
from benchmark.errors import Refused, Unfit
from benchmark.measuring import Run
from benchmark.model import numbers, read_model, same
from benchmark.models import folder_named
from benchmark.ratios import middle, percentile, ratio
from ports import free_port
from server import MODELS

ABALONE = read_model(MODELS / "abalone")


def closed(rate=100.0, p99=10.0, errors=0):
    return Closed(rate, int(rate), errors, 1.0, p99, p99, p99)


# -- what wrk says


def test_wrk_counts_refused_requests_among_the_answered_and_we_do_not():
    line = {"requests": 1000, "seconds": 2.0, "p50_ms": 1, "p99_ms": 2, "p999_ms": 3, "max_ms": 4}
    seen = closed_loop.read_report(
        "Running\nJSON " + json.dumps({**line, "refused": 200, "timeouts": 3, "socket_errors": 4})
    )
    assert (seen.rate, seen.requests, seen.errors, seen.p99_ms) == (400.0, 1000, 207, 2)


def test_what_wrk_says_of_its_own_failure_is_passed_on():
    with pytest.raises(Refused, match=r"wrk did not report what it saw\.\nunable to connect"):
        closed_loop.read_report("", "unable to connect to 127.0.0.1:1")


# -- statistics


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_seen(share, expected):
    assert percentile(range(1, 101), share) == expected


def test_of_nothing_there_is_no_percentile_and_no_median():
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(middle([math.nan]))


def test_ratios_are_of_the_same_round():
    """A machine that is twice as slow in the second round slows both."""
    rows = [{"round": number, "server": name, "rate": rate} for number, name, rate in
            [(1, "a", 100.0), (1, "b", 10.0), (2, "a", 50.0), (2, "b", 5.0), (3, "a", 70.0)]]  # fmt: skip
    assert ratio(rows, "rate", lambda row: row["server"] == "a", lambda row: row["server"] == "b") == 10.0


# -- models and their answers


@pytest.mark.parametrize(
    "body",
    [
        b"7.25\r\n",
        b"[7.25]",
        b'{"predictions": [7.25]}',
        b'{"outputs": [{"name": "p", "shape": [1, 1], "data": [7.25]}]}',
    ],
)
def test_each_servers_way_to_say_a_number_is_read(body):
    assert numbers(body) == [7.25]


def test_an_answer_without_predictions_is_no_answer():
    with pytest.raises(ValueError, match="no predictions among error"):
        numbers(b'{"error": "busy"}')


def test_answers_are_the_same_but_for_their_last_digits():
    assert same([7.2581], [7.25813])
    assert not same([7.3], [7.25])
    assert not same([7.25, 1.0], [7.25])


def test_the_label_at_the_end_of_a_sample_is_not_sent():
    assert len(ABALONE.row) == len(ABALONE.columns) == 8
    assert ABALONE.row[0] == "I"


def test_a_folder_that_cannot_be_compared_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(Refused, match=r"cannot be compared: looked for a manifest\.json that lists the columns"):
        read_model(tmp_path)


def test_an_unknown_model_is_refused_with_those_that_are_known():
    with pytest.raises(Refused, match=r"no model nothing: .*abalone, .*forest, large, linear"):
        folder_named("nothing")


@pytest.mark.parametrize("server", CATALOGUE, ids=lambda server: server.name)
def test_each_server_is_sent_the_row(server):
    request = server.wire(ABALONE)
    assert b"0.365" in request.body
    assert request.as_http("h").endswith(b"\r\n\r\n" + request.body)


# -- plans


def test_the_first_model_is_measured_more_often_than_the_others():
    planned = plan.full()
    assert planned.rounds_of("abalone") > planned.rounds_of("forest")
    assert set(planned.concurrencies_of("forest")) < set(planned.concurrencies_of("abalone"))


def test_a_full_run_takes_half_an_hour_and_a_quick_one_minutes():
    assert 10 < plan.full().minutes() <= 32
    assert plan.quick().minutes() <= 6


def test_an_unknown_server_is_refused_with_those_that_there_are():
    with pytest.raises(Refused, match="no server apache: there are ours, "):
        plan.chosen(["ours", "apache"])


def test_the_command_line_changes_the_plan():
    options = __main__.parser().parse_args(["run", "--quick", "--servers", "ours", "--rates", "--seconds", "1"])
    planned = __main__.plan_of(options)
    assert [server.name for server in planned.servers] == ["ours"]
    assert (planned.rates, planned.seconds, planned.models) == ((), 1.0, plan.quick().models)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--rounds", "0"], "'0' is no whole number above 0"),
        (["tune", "abalone", "--safety", "2"], "'2' is no number above 0 and at most 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        __main__.main(arguments)
    assert message in capsys.readouterr().err


def test_results_that_are_not_there_are_looked_for_by_name(tmp_path, capsys):
    assert __main__.main(["redraw", str(tmp_path)]) == 1
    assert f"no results: looked for {tmp_path}/results.json" in capsys.readouterr().err


# -- servers that cannot be measured


def test_a_server_that_proves_unfit_is_skipped_by_name_and_the_others_go_on():
    picky = Server("picky", "", serves=lambda model: False, serves_what="nothing")
    run, done = Run(plan.Plan((picky, CATALOGUE[0]))), []
    run.each(run.plan.servers, ABALONE, lambda start: done.append(start.server.name))
    run.each(run.plan.servers, ABALONE, lambda start: done.append(start.server.name))
    assert done == ["ours", "ours"]
    assert run.results.skipped == [{"server": "picky", "model": "abalone", "reason": "it serves nothing"}]


def test_without_the_command_that_compiles_the_compiled_form_is_left_out(tmp_path):
    with pytest.raises(Unfit, match=r"models cannot be compiled here: looked for .*compiling/__main__\.py"):
        compiled_folder(ABALONE, tmp_path, tmp_path / "compiling" / "__main__.py")


def test_what_cannot_be_installed_is_told_by_its_last_line():
    with pytest.raises(Unfit, match="it could not be installed: ERROR: no such package"):
        environments.run(["sh", "-c", "echo 'ERROR: no such package\n\n[notice] a new pip' >&2; exit 1"])


def test_peers_read_the_model_with_the_versions_that_wrote_it(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "flask==3 \\\n    --hash=sha256:0\nscikit-learn==1.9 ; sys_platform != 'win32' \\\n    --hash=sha256:1\n"
    )
    assert environments.constraints(lock) == "scikit-learn==1.9 ; sys_platform != 'win32'\n"


# -- what processes use


def process(proc: Path, pid: int, parent: int, ticks: int, pss: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    fields = ["S", str(parent), *["0"] * 9, str(ticks), "0", "0", "0"]
    (folder / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}")
    (folder / "smaps_rollup").write_text(f"Rss: 9 kB\nPss: {pss} kB\nPss_Dirty: 7 kB\n")


def test_memory_and_cpu_time_are_those_of_the_whole_tree(tmp_path):
    for pid, parent in ((10, 1), (11, 10), (12, 11), (20, 1)):
        process(tmp_path, pid, parent, ticks=processes.TICKS, pss=100)
    assert processes.tree(10, tmp_path) == {10, 11, 12}
    assert processes.cpu_seconds(10, tmp_path) == 3.0
    assert processes.pss_bytes(10, tmp_path) == 300 * 1024


# -- the open loop


@pytest.mark.parametrize(
    ("buffer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 0),
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200),
    ],
)
def test_an_answer_is_noticed_when_it_is_whole(buffer, status):
    assert open_loop.whole_answer(buffer) == status


class SlowAtFirst:
    """Answers nothing for a while, then everything at once; one connection after the other."""

    def __init__(self, silence: float):
        self.until = time.monotonic() + silence
        self.open = 0

    async def answer(self, reader, writer):
        self.open += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(max(0.0, self.until - time.monotonic()))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()
        self.open -= 1


def test_those_who_would_have_come_during_a_silence_count_their_wait():
    """A client that waits with its server sees one slow request; an open loop sees all that came meanwhile."""

    async def measure():
        slow = SlowAtFirst(0.5)
        server = await asyncio.start_server(slow.answer, "127.0.0.1", 0)
        seen = open_loop.Seen()
        pool = open_loop.Pool(server.sockets[0].getsockname()[:2], b"GET / HTTP/1.1\r\n\r\n", seen, fresh=False)
        await open_loop.load(pool, rate=50, seconds=1)
        server.close()
        while slow.open:  # noqa: ASYNC110 - an event is no shorter here
            await asyncio.sleep(0.01)
        return seen

    seen = asyncio.run(measure())
    assert (seen.offered, seen.errors) == (50, 0)
    assert sum(latency > 0.1 for latency in seen.latencies) > 10


def test_requests_that_find_nobody_are_errors():
    seen = open_loop.offer(("127.0.0.1", free_port()), b"GET / HTTP/1.1\r\n\r\n", rate=20, seconds=0.2)
    assert (seen.errors, seen.useful) == (4, 0.0)
    assert math.isnan(seen.p99_ms)


# -- the tuner


CAPACITY = advice.Capacity(100, 32, 1000.0, 10.0, 60.0, 1500.0, 800.0, 90.0)
ADVICE = advice.Advice("mine", CAPACITY, 0.5, 8, {"MaxConcurrentTransforms": 2}, 150.0, 20.0, 1.4)


def test_the_targets_follow_awss_formula():
    assert ADVICE.invocations_per_instance == 800 * 0.5 * 60
    assert ADVICE.concurrent_requests == 16
    assert replace(ADVICE, capacity=replace(CAPACITY, concurrency=1)).concurrent_requests == 1


def test_the_advice_says_what_to_set_to_people_and_programs():
    assert "SageMakerVariantInvocationsPerInstance                    24,000" in ADVICE.as_text()
    assert "MaxConcurrentTransforms  8, with MaxPayloadInMB at most 12" in ADVICE.as_text()
    assert json.loads(ADVICE.as_json())["set"]["MaxConcurrentTransforms"] == 8


def test_no_more_transforms_at_once_than_bring_something():
    assert tuner.fewest([(1, closed(50)), (2, closed(98)), (4, closed(100)), (8, closed(99))]) == 2


def test_a_budget_that_one_request_does_not_keep_is_refused():
    some = tuner.Tuner("mine", None, 5.0, 0.5, 1.0)
    with pytest.raises(Refused, match=r"one request at a time already takes 10\.0 ms at p99, and the budget is 5 ms"):
        some.capacity(None, [(1, closed(p99=10.0))], 5.0)


def test_a_model_without_a_sample_cannot_be_tuned(tmp_path):
    with pytest.raises(Refused, match="has no sample request: looked in samples/"):
        tuner.first_sample(tmp_path)


def test_the_sample_is_sent_as_its_name_says():
    request = tuner.request_of(tuner.first_sample(MODELS / "abalone_predictor"))
    assert (request.path, request.content_type, request.accept) == ("/invocations", "text/csv", "application/json")


# -- the page


def test_a_rate_that_was_not_held_shows_what_came_of_it():
    assert table.holds({"rate": 100.0, "useful": 99.0, "p99_ms": 12.34, "errors": 0}) == "12.3"
    assert table.holds({"rate": 400.0, "useful": 43.0, "p99_ms": 3689.3, "errors": 0}) == "3689.3 (43/s)"
    assert table.holds({"rate": 100.0, "useful": 96.0, "p99_ms": 12.34, "errors": 4}) == "12.3 [4 failed]"
    assert table.holds(None) == table.NOTHING
