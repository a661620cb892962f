"""The reliability programs: what they count, what they compute, what they call broken."""

import asyncio
import contextlib
import http.server
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from benchmark.errors import Refused, Unfit
from ports import free_port
from reliability import (
    comparison,
    kills,
    overload,
    processes,
    program,
    prometheus,
    scrape,
    servers,
    soak,
    summary,
    terms,
    watching,
)
from reliability.accounts import Fate, Ledger, Outcome
from reliability.caller import Caller, judged
from reliability.connection import Answer, Call
from reliability.killing import Killer, moments
from reliability.loops import OpenLoop, closed_loop
from reliability.mixture import LEAVES_SENDING, LEAVES_WAITING, STREAM, WEIGHTS, mixed
from reliability.promises import Promise, Report, account, at_least, at_most, none_of
from reliability.watching import Sample, Watch

MACHINE = {"when": "2026-11-21T00:00:00", "cores": 2, "cpu": "a CPU", "commit": "abc"}
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1.5"


def outcome(fate=Fate.ANSWERED, seconds=0.1, kind="CSV", detail=""):
    return Outcome(kind, fate, 100.0, 100.0 + seconds, detail)


def ledger_of(*outcomes, sent=None):
    ledger = Ledger(sent=len(outcomes) if sent is None else sent)
    for one in outcomes:
        ledger.note(one)
    return ledger


# -- the account


def test_what_was_sent_is_the_sum_of_all_fates_and_of_what_is_under_way():
    ledger = ledger_of(outcome(), outcome(Fate.LOST), outcome(Fate.REFUSED), sent=5)
    assert (ledger.count(Fate.ANSWERED, Fate.LOST), ledger.under_way, ledger.unless(Fate.ANSWERED)) == (2, 2, 4)
    assert ledger.by_fate() == {"sent": 5, "answered": 1, "refused": 1, "lost": 1}


def test_percentiles_are_of_one_fate_and_of_none_there_is_none():
    ledger = ledger_of(*(outcome(seconds=number / 1000) for number in range(1, 101)), outcome(Fate.LOST, 9.0))
    assert ledger.milliseconds(0.99, Fate.ANSWERED) == pytest.approx(99.0)
    assert ledger.milliseconds(0.99, Fate.REFUSED) is None
    assert ledger.milliseconds(1.0, Fate.REFUSED, Fate.LOST, Fate.ANSWERED) == pytest.approx(9000.0)


def test_the_account_has_a_line_for_each_kind_and_one_for_all():
    ledger = ledger_of(outcome(), outcome(kind="npy"), outcome(Fate.LOST, kind="npy", detail="closed"))
    assert account(ledger).splitlines() == [
        "What became of the requests:",
        "",
        "| request | sent | answered | lost |",
        "|---|---:|---:|---:|",
        "| CSV | 1 | 1 | 0 |",
        "| npy | 2 | 1 | 1 |",
        "| all | 3 | 2 | 1 |",
        "",
        "- npy: lost: closed",
    ]


def test_thousands_that_fail_in_the_same_way_are_counted_but_told_only_in_part():
    ledger = ledger_of(*(outcome(Fate.LOST, detail="closed") for _ in range(1000)))
    assert (ledger.count(Fate.LOST), len(ledger.details)) == (1000, 20)


def test_an_end_that_turns_out_to_be_another_is_booked_anew_and_the_sum_stays():
    lost = outcome(Fate.LOST, detail="new connection: reset")
    ledger = ledger_of(lost, outcome(Fate.LOST))
    ledger.rebook(lost, Fate.UNACCEPTED)
    assert (ledger.by_fate(), ledger.details) == ({"sent": 2, "reset as the port closed": 1, "lost": 1}, [])
    assert (len(ledger.seconds[Fate.LOST]), len(ledger.seconds[Fate.UNACCEPTED])) == (1, 1)


# -- what an answer is to the one who asked


@pytest.mark.parametrize(
    ("status", "head", "body", "fate"),
    [
        (200, b"", b"1.5", Fate.ANSWERED),
        (200, b"", b"2.5", Fate.WRONG),
        (503, b"\r\nretry-after: 1", b"", Fate.REFUSED),
        (429, b"\r\nretry-after: 1", b"", Fate.REFUSED),
        (503, b"", b"", Fate.REFUSED_BARE),
        (500, b"", b"", Fate.FAILED),
        (400, b"", b"", Fate.FAILED),
    ],
)
def test_an_answer_is_judged_by_what_was_asked(status, head, body, fate):
    assert judged(Call("CSV", b"", body=b"1.5"), Answer(status, head, body))[0] is fate


def test_a_bad_row_is_answered_with_its_400_whatever_that_says():
    assert judged(Call("bad row", b"", status=400), Answer(400, b"", b"{}")) == (Fate.ANSWERED, "")


# -- a client against servers that do all that servers can do


async def ended_by(server, *calls, fresh=False, patience=5.0):
    """Ask a server that does *server* with each connection; return fate and detail of each call."""
    port = free_port()
    async with await asyncio.start_server(server, "127.0.0.1", port):
        caller = Caller(("127.0.0.1", port), fresh, patience)
        outcomes = [await caller.ask(call) for call in calls]
        caller.close()
    return [(one.fate, one.detail) for one in outcomes]


def says(*answers, then_closes=False):
    """Return a server that gives one answer after the other on each connection."""

    async def serve(reader, writer):
        with contextlib.closing(writer):
            for answer in answers:
                await reader.readuntil(b"!")
                writer.write(answer)
                await writer.drain()
            if not then_closes:
                await reader.read()

    return serve


CALL = Call("CSV", b"!", body=b"1.5")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n2\r\n.5\r\n0\r\n\r\n"


def test_answers_of_known_length_and_in_parts_are_read_from_one_connection():
    assert asyncio.run(ended_by(says(GOOD, CHUNKED, GOOD), CALL, CALL, CALL)) == [(Fate.ANSWERED, "")] * 3


def test_a_connection_that_the_server_has_announced_to_close_is_not_used_again():
    last = GOOD.replace(b"Content", b"Connection: close\r\nContent", 1)
    assert asyncio.run(ended_by(says(last, b"never sent"), CALL, CALL)) == [(Fate.ANSWERED, "")] * 2


def test_a_connection_that_ends_without_an_answer_is_a_lost_request():
    ((fate, detail),) = asyncio.run(ended_by(says(b"", then_closes=True), CALL))
    assert (fate, detail) == (Fate.LOST, "new connection: closed without an answer")


@pytest.mark.parametrize(
    ("answer", "where"), [(GOOD[:-1], "within the body of a 200"), (GOOD[:9], "within the head, after 9 bytes")]
)
def test_an_answer_that_breaks_off_is_told_from_a_whole_one(answer, where):
    ((fate, detail),) = asyncio.run(ended_by(says(answer, then_closes=True), CALL))
    assert (fate, where in detail) == (Fate.BROKEN, True)


def test_a_stream_that_breaks_off_is_told_from_a_whole_one():
    ((fate, _),) = asyncio.run(ended_by(says(CHUNKED[:-5], then_closes=True), CALL))
    assert fate is Fate.BROKEN


def test_a_server_that_keeps_silent_is_late_and_a_client_that_meant_to_leave_has_left():
    leaves = CALL._replace(leaves_after=0.01), CALL._replace(leaves_at=1)
    found = asyncio.run(ended_by(says(b""), CALL, *leaves, patience=0.2))
    assert found == [(Fate.LATE, "after 0.2 s"), (Fate.GIVEN_UP, ""), (Fate.GIVEN_UP, "")]


def test_where_nobody_listens_the_connection_is_refused_and_a_closed_loop_ends():
    ledger = Ledger()
    caller = Caller(("127.0.0.1", free_port()))
    asyncio.run(closed_loop(caller, iter([CALL] * 5), ledger, lambda: False))
    assert ledger.by_fate() == {"sent": 1, "connection refused": 1}


def test_an_open_loop_does_not_wait_for_the_server_and_counts_each_wait_from_the_meant_moment():
    async def silent_for_a_while():
        began, port = time.monotonic(), free_port()

        async def serve(reader, writer):
            await reader.readuntil(b"!")
            await asyncio.sleep(max(0.0, began + 0.5 - time.monotonic()))
            with contextlib.closing(writer):
                writer.write(GOOD)
                await reader.read()

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            load = OpenLoop(("127.0.0.1", port), iter([CALL] * 10), Ledger())
            await load.run(rate=50, seconds=0.2)
            under_way = load.ledger.under_way
            await load.settle()
        return under_way, load.ledger

    under_way, ledger = asyncio.run(silent_for_a_while())
    assert (under_way, ledger.by_fate()) == (10, {"sent": 10, "answered": 10})
    assert min(ledger.seconds[Fate.ANSWERED]) > 0.2  # the last was meant 0.18 s after the first


# -- kills


def test_kills_are_random_but_never_closer_than_they_may_be():
    found = moments(50, 100.0, random.Random(7), apart=1.5)
    assert found == moments(50, 100.0, random.Random(7), apart=1.5)
    assert all(later - sooner >= 1.5 for sooner, later in itertools.pairwise(found))
    assert (len(found), found[0] >= 0, found[-1] <= 100) == (50, True, True)


def test_more_kills_than_there_is_room_for_are_refused_with_the_arithmetic():
    with pytest.raises(Refused, match=r"10 kills that are 0\.5 s apart take 5 s; there are 3\."):
        moments(10, 3.0, random.Random(1))


def test_a_server_without_any_worker_ends_the_run():
    killer = Killer(os.getpid(), random.Random(1), patience=0.1)  # a tree without an arbiter
    with pytest.raises(Refused, match=r"no worker was ready for 0\.1 s: is the server still there\?"):
        asyncio.run(killer.run([0.0]))


def test_a_server_whose_workers_do_not_all_come_cannot_be_tried():
    nobody = SimpleNamespace(patience=0, process=SimpleNamespace(pid=os.getpid()))
    with pytest.raises(Unfit, match="not all of its 2 workers were ready within 0 s"):
        servers.wait_for_all(nobody, 2)


def test_a_stream_is_cut_by_a_kill_only_if_there_was_one_just_then():
    killer = Killer(1, random.Random(1), killed=[(100.0, 7)])
    broken = Outcome(STREAM, Fate.BROKEN, 99.9, 100.1, "within the body")
    assert soak.cut_by_a_kill(broken, killer).fate is Fate.CUT
    assert soak.cut_by_a_kill(broken._replace(ended=105.0), killer).fate is Fate.BROKEN
    assert soak.cut_by_a_kill(broken._replace(kind="CSV"), killer).fate is Fate.BROKEN


# -- promises


def report(*promises):
    return Report("kills", {"kills": 3}, promises, {"x": 1}, ["A table."])


def test_a_promise_is_kept_broken_or_not_judged_and_only_a_broken_one_fails_the_run(tmp_path):
    kept, open_ = none_of("lost", 0), Promise("growth", "under 1 %", "too few samples", None)
    assert report(kept, open_).is_kept
    broken = report(kept, open_, none_of("resets", 1200))
    assert not broken.is_kept
    assert broken.page(MACHINE).splitlines()[:9] == [
        "# kills",
        "",
        "kills 3.  ",
        "2026-11-21, 2 cores (a CPU), commit abc.",
        "",
        "| promise | goal | found |  |",
        "|---|---|---:|---|",
        "| lost | 0 | 0 | kept |",
        "| growth | under 1 % | too few samples | not judged |",
    ]
    broken.write(tmp_path / "new" / "kills.json", MACHINE)
    written = json.loads((tmp_path / "new" / "kills.json").read_text())
    assert [one["verdict"] for one in written["promises"]] == ["kept", "not judged", "BROKEN"]
    assert (written["machine"], written["figures"]) == (MACHINE, {"x": 1})


def test_a_folder_of_results_becomes_one_table_and_none_is_looked_for_by_name(tmp_path, capsys):
    assert summary.main([str(tmp_path)]) == 2
    assert (
        f"no results: looked for {tmp_path}/*.json.\nTry the promises first: make reliability."
        in capsys.readouterr().err
    )
    machine = {**MACHINE, "memory_gb": 24.0, "system": "Debian"}
    report(none_of("lost", 0)).write(tmp_path / "kills.json", machine)
    assert (summary.main([str(tmp_path)]), capsys.readouterr().out.splitlines()) == (
        0,
        [
            "# Tried on 2026-11-21",
            "",
            "2 cores (a CPU), 24.0 GB, Debian; commit abc.",
            "",
            "| run | promise | goal | found |  |",
            "|---|---|---|---:|---|",
            "| [kills](kills.md) | lost | 0 | 0 | kept |",
        ],
    )
    report(none_of("lost", 1)).write(tmp_path / "terms.json", machine)
    assert (summary.main([str(tmp_path)]), summary.main([])) == (1, 2)
    assert capsys.readouterr().err == "usage: python -m reliability.summary FOLDER\n"


@pytest.mark.parametrize(
    ("promise", "found", "kept"),
    [
        (at_most("p99", 20.0, 20, "ms"), "20.0 ms", True),
        (at_most("p99", 20.1, 20, "ms"), "20.1 ms", False),
        (at_most("p99", None, 20, "ms"), "none", True),
        (at_least("useful", 95.0, 95, "%"), "95.0 %", True),
        (at_least("useful", 94.9, 95, "%"), "94.9 %", False),
    ],
)
def test_limits_are_part_of_what_is_promised(promise, found, kept):
    assert (promise.found, promise.kept) == (found, kept)


@pytest.fixture
def _sigterm_as_it_was():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_sigterm_as_it_was")
@pytest.mark.parametrize(
    ("result", "status"),
    [
        (report(none_of("lost", 0)), 0),
        (report(none_of("lost", 1)), 1),
        (Refused("no room"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_status_says_what_was_found(result, status, capsys):
    def run(options):
        if isinstance(result, BaseException):
            raise result
        return result

    assert program.run(program.parser_of("kills", "About."), run, []) == status
    said = capsys.readouterr()
    assert ("no room" in said.err, "# kills" in said.out) == (status == 2, status < 2)


# -- overload


def seen(ledger, **changes):
    figures = {"capacity": 18.0, "useful": 17.5, "refused_p50": 2.0, "refused_p99": 6.0, "answered_p99": 900.0}
    pings = {"ping_p99": 8.0, "pings": {"sent": 300, "answered": 300}}
    return comparison.Seen(
        "ours",
        **{**figures, **pings, "recovery_seconds": 0.9, "generator_cpu": 0.2, "cpus": 2, **changes},
        fates=ledger.by_fate(),
        ledger=ledger,
    )


def broken(found):
    return [promise.about for promise in overload.promises(found) if not promise.kept]


def test_an_overload_that_was_borne_breaks_no_promise_and_each_shortcoming_breaks_its_own():
    good = ledger_of(outcome(), outcome(Fate.REFUSED))
    assert broken(seen(good)) == []
    useful = "useful answers, of what the model can do beside the load, which is on its machine"
    assert broken(seen(good, useful=15.3)) == [useful]  # 94 % of the 16.2 that the load leaves
    assert broken(seen(good, useful=15.5)) == []
    assert broken(seen(good, useful=15.5, cpus=4)) == [useful]  # where there is room for both
    assert broken(seen(good, refused_p99=21.0)) == ["p99 of a refusal"]
    assert broken(seen(good, ping_p99=21.0)) == ["p99 of /ping meanwhile"]
    assert broken(seen(good, pings={"sent": 2, "answered": 1})) == ["pings that were not answered with 200"]
    assert broken(seen(good, recovery_seconds=None)) == ["until full speed after the end"]
    neither = "requests neither answered nor refused with Retry-After"
    assert broken(seen(ledger_of(outcome(Fate.REFUSED_BARE)))) == [neither]
    assert broken(seen(ledger_of(outcome(Fate.LOST)))) == ["connections that were reset or refused", neither]


def test_a_server_that_does_not_even_answer_one_request_is_left_out():
    with pytest.raises(Unfit, match="it does not answer even one request at a time: connection refused"):
        asyncio.run(overload.lone_seconds(Caller(("127.0.0.1", free_port())), CALL))


def test_an_answer_is_useful_if_it_came_in_time_and_while_the_load_lasted():
    answers = overload.Answers()
    for one in (outcome(seconds=1.9), outcome(seconds=2.1), outcome(seconds=1.95), outcome(Fate.REFUSED)):
        answers.note(one)
    assert (answers.useful(until=101.92), answers.useful(until=103.0)) == (1, 2)


def test_servers_are_compared_in_one_table():
    never = seen(ledger_of(outcome(Fate.LATE)), refused_p50=None, refused_p99=None, recovery_seconds=None)
    lines = comparison.compared([seen(ledger_of(outcome(Fate.REFUSED))), never]).splitlines()
    assert lines[2] == "| ours | 18.0 | 17.5 | 1 | 2.0 / 6.0 | 0 | 0 | 0 | 900.0 | 0 of 300 | 8.0 | 0.9 |"
    assert lines[3].endswith("| - / - | 0 | 1 | 0 | 900.0 | 0 of 300 | 8.0 | not within 60 |")


def test_peers_are_those_of_the_benchmark_and_unknown_ones_are_refused():
    assert overload.chosen([]) == list(overload.PEERS)
    assert overload.chosen(["fastapi"]) == ["fastapi"]
    with pytest.raises(Refused, match=r"no server tomcat: there are .*fastapi"):
        overload.chosen(["tomcat"])


# -- memory and processes over time


def samples(*megabytes, workers=(1, 2), dead=()):
    return [
        Sample(10.0 * number, amount, dict.fromkeys(workers, amount / 4), 7, 60, set(dead))
        for number, amount in enumerate(megabytes)
    ]


def test_growth_is_that_of_the_second_half_of_a_long_run():
    watch = Watch(1, 1.0, samples=samples(*range(100), *([200.0] * 100)))
    assert watch.growth() == pytest.approx(0.0)
    watch.samples = samples(*([100.0] * 100), *(100 + number / 99 for number in range(100)))
    assert (watch.growth(), watch.growth(of=1)) == (pytest.approx(1.0, abs=0.01), pytest.approx(1.0, abs=0.01))
    assert Watch(1, 1.0, samples=samples(*range(20))).growth() is None


def test_growth_leaves_out_the_minute_after_a_kill_in_which_a_worker_is_young():
    watch = Watch(1, 1.0, began=5000.0, samples=samples(*([100.0] * 180), *([70.0] * 7), *([100.0] * 13)))
    assert watch.growth() < -1
    assert watch.growth(kills=[5000.0 + 1800]) == pytest.approx(0.0)
    assert watch.growth(kills=[5000.0 + 60 * number for number in range(40)]) is None


def test_a_zombie_is_one_that_stays_dead_and_workers_that_end_unasked_are_noticed():
    watch = Watch(
        1, 1.0, samples=[*samples(1, dead=(9,)), *samples(1, dead=(8,)), *samples(1, dead=(8,), workers=(2, 3))]
    )
    assert (watch.left_dead(), watch.ended_unasked([]), watch.ended_unasked([1])) == ({8}, {1}, set())


def test_descriptors_are_flat_if_no_role_has_more_of_them_or_of_processes():
    before = {"nginx": (3, 29), "worker": (2, 22)}
    assert watching.no_more({"nginx": (3, 28), "worker": (2, 22)}, before)
    assert not watching.no_more({"nginx": (3, 29), "worker": (2, 23)}, before)
    assert not watching.no_more({"nginx": (3, 29), "worker": (3, 22)}, before)
    assert not watching.no_more({"nginx": (3, 29)}, before)
    assert watching.in_words(before) == "3 nginx 29, 2 worker 22"


def test_memory_over_time_is_told_at_five_moments():
    told = soak.over_time(samples(*range(100, 109)), elder=1).splitlines()
    assert (len(told), told[4], told[-1]) == (
        9,
        "| 0.0 min | 100.0 | 25.0 | 7 | 60 |",
        "| 1.3 min | 108.0 | 27.0 | 7 | 60 |",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_dead_child_that_nobody_asks_for_is_seen_and_so_are_open_descriptors():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.pid in processes.zombies(os.getpid())
    child.wait()
    assert child.pid not in processes.zombies(os.getpid())
    before = processes.descriptors_of(os.getpid())
    with open(os.devnull):  # noqa: PTH123
        assert processes.descriptors_of(os.getpid()) == before + 1


# -- what is sent


def test_every_kind_of_request_comes_as_often_as_it_should_and_those_who_leave_do():
    calls = {kind: Call(kind, b"x" * 100) for kind in WEIGHTS if kind not in (LEAVES_WAITING, LEAVES_SENDING)}
    source = mixed(calls, random.Random(1))
    found = [next(source) for _ in range(20_000)]
    assert {call.kind for call in found} == set(WEIGHTS)
    assert all((call.leaves_after is not None) == (call.kind == LEAVES_WAITING) for call in found)
    assert all((call.leaves_at is not None) == (call.kind == LEAVES_SENDING) for call in found)
    share = sum(call.kind == "CSV" for call in found) / len(found)
    assert share == pytest.approx(WEIGHTS["CSV"] / sum(WEIGHTS.values()), abs=0.02)


def test_predictions_of_a_stop_say_how_long_they_take_and_what_they_answer():
    source = terms.calls_of("kept", "host", random.Random(1))
    for call in (next(source) for _ in range(200)):
        seconds = float(call.data.rpartition(b"\r\n\r\n")[2].partition(b",")[0])
        assert float(call.body) == seconds + 1.0


def test_a_reset_is_the_kernels_only_on_a_new_connection_and_as_the_port_closes():
    reset = Outcome("new", Fate.LOST, 99.0, 100.0, "new connection: [Errno 104] Connection reset by peer")
    earlier = reset._replace(ended=99.5)
    kept = reset._replace(detail="kept connection: closed without an answer")
    ends = terms.Ends()
    for one in (earlier, reset, kept, Outcome("new", Fate.TURNED_AWAY, 100.0, 100.05)):
        assert ends.note(one) is one
    assert ends.unaccepted() == [reset]


# -- Prometheus


def test_what_came_in_between_is_compared_label_by_label():
    before = {"requests, by status": {"200": 5.0, "503": 2.0}}
    after = {"requests, by status": {"200": 9.0, "400": 1.0, "503": 2.0}}
    assert scrape.more(before, after) == {"requests, by status": {"200": 4.0, "400": 1.0}}


def test_one_request_that_prometheus_does_not_know_of_breaks_the_promise():
    sent = scrape.Sent()
    sent.note(Call("CSV", b"head\r\n\r\n1,2"), Answer(200, b"", b"1.5"))
    sent.note(Call("bad row", b"head\r\n\r\n1"), Answer(400, b"", b'{"error": {"code": "bad_request"}}'))
    values = sent.values()
    assert values["requests, by status"] == {"200": 1, "400": 1}
    assert (values["refusals, by code"], values["bytes of requests"]) == ({"bad_request": 1}, {"": 4})
    options = program.parser_of("scrape", None).parse_args([])
    options.requests = 2
    assert scrape.report(options, values, values).is_kept
    missed = {**values, "requests, by status": {"200": 1}}
    assert [one.about for one in scrape.report(options, values, missed).promises if not one.kept] == [
        "requests, by status"
    ]


def test_without_prometheus_the_program_says_what_to_install(tmp_path, capsys):
    program_ = [sys.executable, "-c", "from reliability.prometheus import scraping\nwith scraping('x'): pass"]
    done = subprocess.run(
        program_,
        env={"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "looked for prometheus on PATH.\nDebian, Ubuntu: sudo apt-get install prometheus" in done.stderr


def test_a_prometheus_that_does_not_answer_has_no_values_and_is_not_waited_for_for_ever():
    nobody = prometheus.Prometheus(free_port(), patience=0.2)
    assert nobody.values("up") == {}
    with pytest.raises(Refused, match=r"has not scraped serving_ready within 0\.2 s: is there a /metrics\?"):
        nobody.wait_for_scrape()


def test_a_prometheus_that_is_still_starting_is_no_answer_yet():
    class Starting(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503, "Service Unavailable")

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Starting) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert prometheus.Prometheus(server.server_port, patience=10).values("up") == {}


def test_what_prometheus_complains_of_is_passed_on():
    with pytest.raises(Refused, match=r"Prometheus does not answer sum\(: parse error"):
        prometheus.result_of("sum(", b'{"status": "error", "error": "parse error"}')


@pytest.mark.usefixtures("_sigterm_as_it_was")
def test_the_programs_name_their_options(capsys):
    for main, option in ((overload.main, "--against"), (kills.main, "--kills"), (terms.main, "--stops"),
                         (soak.main, "--kills-per-minute"), (scrape.main, "--requests")):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(["--help"])
        assert (ended.value.code, option in capsys.readouterr().out) == (0, True)
