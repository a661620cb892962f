"""`make bench`: the whole way, briefly, on the real server."""

import json
import shutil
import subprocess

import pytest

from server import ROOT

BENCH = ROOT / "benchmark" / "bench.sh"


def run(*command):
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", timeout=170)


def test_help_is_the_scripts_own_head_and_goes_to_stdout():
    done = run(BENCH, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: bench.sh" in done.stdout


def test_an_unknown_verb_is_named_with_the_usage_on_stderr():
    done = run(BENCH, "race")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the verb is run, tune or redraw, not race" in done.stderr


def test_make_bench_runs_or_with_a_model_tunes():
    every = run("make", "-C", ROOT, "--dry-run", "bench", "OPTIONS=--quick").stdout
    mine = run("make", "-C", ROOT, "--dry-run", "bench", "MODEL=mine").stdout
    assert ("bench.sh run --quick" in every, 'bench.sh tune "mine"' in mine) == (True, True)


@pytest.mark.nginx
@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk on PATH")
def test_a_short_run_leaves_results_a_page_and_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the packages of benchmark/requirements.txt")
    short = ("--concurrency", "1", "4", "--rounds", "1", "--seconds", "1", "--rates", "50", "--workers", "1")
    what = ("--servers", "ours", "--models", "abalone", "--memory-model", "abalone")
    done = run(BENCH, "run", *what, *short, "--into", tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(row["server"], row["concurrency"]) for row in results["closed"]] == [("ours", 1), ("ours", 4)]
    assert all(row["rate"] > 0 and row["errors"] == 0 and row["cpu_us"] > 0 for row in results["closed"])
    assert (results["skipped"], results["machine"]["cores"] >= 1, results["memory"][0]["pss_mb"] > 0) == (
        [],
        True,
        True,
    )
    assert done.stdout == (tmp_path / "table.md").read_text()
    assert {path.name for path in tmp_path.glob("*.png")} == {"throughput-abalone.png", "latency.png", "memory.png"}
