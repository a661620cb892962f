"""`make reliability`: each program, briefly, on the real server. What is counted is asserted, no duration."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from server import ROOT

SCRIPT = ROOT / "reliability" / "reliability.sh"
BRIEFLY = {
    "overload": ("--seconds", "3", "--calm", "1"),
    "kills": ("--kills", "3", "--requests", "500"),
    "terms": ("--stops", "2"),
    "soak": ("--minutes", "0.15", "--rate", "50", "--kills-per-minute", "10"),
    "scrape": ("--requests", "100"),
}
DRAWN = ("overload", "soak")


def run(*command):
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", timeout=170)


def test_help_is_the_scripts_own_head_and_goes_to_stdout():
    done = run(SCRIPT, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: reliability.sh PROGRAM" in done.stdout


@pytest.mark.parametrize(("given", "named"), [(("race",), "race"), ((), "nothing")])
def test_an_unknown_program_is_named_with_the_usage_on_stderr(given, named):
    done = run(SCRIPT, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"one of overload kills terms soak scrape, or all, not {named}" in done.stderr


def test_make_reliability_tries_all_or_one_program():
    every = run("make", "-C", ROOT, "--dry-run", "reliability").stdout
    one = run("make", "-C", ROOT, "--dry-run", "reliability", "PROGRAM=kills", "OPTIONS=--kills 3").stdout
    assert ('reliability.sh "all"' in every, 'reliability.sh "kills" --kills 3' in one) == (True, True)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each program has found: exit status, results and page. They run all at once."""
    folder = tmp_path_factory.mktemp("reliability")
    running = {name: begun(name, folder) for name in BRIEFLY if name != "scrape" or shutil.which("prometheus")}
    told = {name: process.communicate(timeout=170) for name, process in running.items()}
    return {name: Found(running[name].returncode, *told[name], folder / f"{name}.json") for name in running}


def begun(name, folder):
    plot = ("--plot", str(folder / f"{name}.png")) if name in DRAWN and find_spec("matplotlib") else ()
    command = [
        sys.executable,
        "-m",
        f"reliability.{name}",
        "--json",
        str(folder / f"{name}.json"),
        *BRIEFLY[name],
        *plot,
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Found:
    def __init__(self, status, page, progress, path):
        assert path.exists(), progress
        self.status, self.page, self.progress, self.path = status, page, progress, path
        whole = json.loads(path.read_text())
        self.figures = whole["figures"]
        self.verdicts = {promise["about"]: promise["verdict"] for promise in whole["promises"]}


pytestmark = pytest.mark.nginx


def test_under_overload_each_request_is_answered_or_refused_and_each_ping_answered(found):
    ours = found["overload"]
    (figures,) = ours.figures["servers"]
    counted = [about for about in ours.verdicts if about.startswith(("pings", "connections", "requests"))]
    assert {about: ours.verdicts[about] for about in counted} == dict.fromkeys(counted, "kept"), ours.page
    assert (figures["fates"]["sent"], len(counted)) == (600, 3)


def test_while_workers_are_killed_each_request_is_answered(found):
    ours = found["kills"]
    assert ours.status == 0, ours.page
    assert (ours.figures["kills"], ours.figures["fates"]["answered"] >= 500) == (3, True)
    assert ours.figures["fates"]["sent"] == ours.figures["fates"]["answered"]


def test_a_server_that_is_stopped_answers_what_it_has_accepted(found):
    ours = found["terms"]
    assert ours.status == 0, ours.page
    assert (len(ours.figures["seconds"]), ours.figures["under_way_at_signals"] > 0) == (2, True)


def test_mixed_load_is_accounted_for_and_leaves_nothing_open(found):
    ours = found["soak"]
    assert ours.status == 0, ours.page
    fates = dict(ours.figures["fates"])
    assert fates.pop("sent") == sum(fates.values()) == 450
    assert len(ours.figures["samples"]) > 5


def test_prometheus_counts_what_was_sent(found):
    if "scrape" not in found:
        pytest.skip("prometheus is not on PATH; as root on Debian, `make test` installs it")
    assert found["scrape"].status == 0, found["scrape"].page


def test_each_program_prints_a_page_and_draws_what_it_is_asked_to(found):
    for name, ours in found.items():
        assert ours.page.startswith(f"# {name}\n")
        assert ours.path.with_suffix(".png").exists() == (name in DRAWN and find_spec("matplotlib") is not None)
