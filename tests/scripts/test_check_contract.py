"""What somebody sees who checks a container with `check_contract.sh`."""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mutants.checking import program
from server import ROOT, HostServer

SCRIPT = ROOT / "local_test" / "check_contract.sh"
MUTANTS = ROOT / "tests" / "mutants"
MODEL = MUTANTS / "model"
COMPLETE = ROOT / "tests" / "model_folders" / "complete"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def mutant(tmp_path):
    """Return a program that runs a server of that name."""
    return lambda name: program(name, tmp_path)


def check(*arguments, columns=100, **variables):
    environ = {**os.environ, "COLUMNS": str(columns), **variables}
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, env=environ)


def words(text):
    """Return the text without its line breaks and columns, which depend on the terminal's width."""
    return " ".join(text.split())


def test_a_broken_clause_says_what_was_done_and_seen_and_what_to_do(mutant):
    checked = check(mutant("PingsByGetOnly"), "--model", str(MODEL), "--clause", "1.20")
    assert checked.returncode == 1
    table = words(checked.stdout)
    assert "BROKEN 1.20 answer /ping with 200 to GET, and to" in table
    assert "GET: 200, POST: 405" in table
    assert "done: " in table
    assert "do: " in table
    assert "SageMaker's contract is broken. Kept: 0. Broken: 1." in table


def test_a_clause_that_is_kept_says_what_was_seen(mutant):
    checked = check(mutant("Reference"), "--model", str(MODEL), "--clause", "1.20", "--clause=1.01")
    assert checked.returncode == 0, checked.stderr
    table = words(checked.stdout)
    assert "ok 1.20 answer /ping with 200 to GET, and to" in table
    assert "Every required clause is kept. Kept: 2. Broken: 0." in table


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_fits_the_terminal(mutant, columns):
    checked = check(mutant("PingsByGetOnly"), "--model", str(MODEL), "--clause", "1.20", columns=columns)
    assert max(map(len, checked.stdout.splitlines())) <= min(columns, 120)


def test_a_server_that_does_not_start_breaks_one_clause_and_blocks_the_others(mutant):
    checked = check(mutant("EndsAtOnce"), "--model", str(MODEL), "--clause", "1.01", "--clause", "1.20")
    assert checked.returncode == 1
    assert "BROKEN 1.01" in checked.stdout
    assert "ended with status 1" in words(checked.stdout)
    assert "- 1.20: blocked: the target does not become healthy, see 1.01" in words(checked.stdout)


def test_what_cannot_even_be_run_breaks_one_clause_too(tmp_path):
    program = tmp_path / "without-a-first-line"
    program.write_text("echo served\n")
    program.chmod(0o755)
    checked = check(str(program), "--model", str(MODEL))
    assert checked.returncode == 1
    assert "BROKEN 1.01" in checked.stdout
    assert "it cannot be started: [Errno 8]" in words(checked.stdout)
    assert "Kept: 0. Broken: 1." in words(checked.stdout)


@pytest.mark.engine
def test_an_image_without_a_sample_is_given_the_example_and_says_so(image):
    checked = check(image, "--clause", "1.30")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "the image brings no sample request, so it is given models/abalone and its sample" in checked.stderr
    assert "for another model name --model FOLDER, for a model in the image --sample FILE" in checked.stderr


@pytest.mark.engine
def test_our_image_keeps_the_contract_when_everything_is_forbidden_that_can_be(image, tmp_path):
    forbidden = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=12345", "--tmpfs=/tmp")
    options = [word for option in forbidden for word in ("--docker-option", option)]
    results = tmp_path / "results.json"
    clauses = [word for number in ("1.01", "1.28", "1.30", "1.55") for word in ("--clause", number)]
    checked = check(image, *options, *clauses, f"--json={results}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert outcomes(results) == dict.fromkeys(("1.01", "1.28", "1.30", "1.55"), "kept")


@pytest.mark.engine
def test_an_option_of_dockers_reaches_every_container(image):
    checked = check(image, "--clause", "1.01", "--docker-option", "--env=SERVING_USER=nosuch")
    assert checked.returncode == 1
    assert "SERVING_USER is 'nosuch'" in words(checked.stdout)


@pytest.mark.engine
def test_an_image_with_a_model_in_it_is_asked_that_models_sample(image):
    tag = "contract-with-model:test"
    dockerfile = f"FROM {image}\nCOPY abalone_predictor /opt/program/model\n"
    command = ["docker", "build", "--file", "-", "--tag", tag, str(ROOT / "models")]
    subprocess.run(command, input=dockerfile, text=True, capture_output=True, check=True)
    try:
        checked = check(tag, "--clause", "1.30", "--clause", "1.50")
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok 1.30" in words(checked.stdout)
    assert "- 1.50: it brings its own model: nothing is mounted" in words(checked.stdout)
    assert "the image brings no sample request" not in checked.stderr


@pytest.mark.engine
def test_an_image_without_serve_is_told_what_is_missing(image):
    dockerfile = f"FROM {image}\nENTRYPOINT []\nENV PATH=/usr/bin:/bin\n"
    tag = "contract-without-serve:test"
    subprocess.run(["docker", "build", "--tag", tag, "-"], input=dockerfile, text=True, capture_output=True, check=True)
    try:
        checked = check(tag, "--model", str(MODEL), "--clause", "1.01", "--clause", "1.20", "--clause", "4.02")
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)
    assert checked.returncode == 1, checked.stderr
    assert 'exec: "serve": executable file not found' in words(checked.stdout)
    assert "- 1.20, 4.02: blocked: the target does not become healthy, see 1.01" in words(checked.stdout)


def test_a_developers_proxy_is_not_asked_for_servers_of_this_machine(mutant):
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    checked = check(mutant("Reference"), "--model", str(MODEL), "--clause", "1.20", NO_PROXY="", **proxies)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_clause_that_cannot_be_checked_because_of_another_is_no_success(mutant):
    checked = check(mutant("EndsAtOnce"), "--model", str(MODEL), "--clause", "1.20")
    assert checked.returncode == 1
    assert "SageMaker's contract is broken. Kept: 0. Broken: 0. Recommended, not kept: 0. Blocked: 1." in words(
        checked.stdout
    )


def test_the_files_say_what_the_table_says(mutant, tmp_path):
    files = ["--json", str(tmp_path / "results.json"), f"--junit={tmp_path / 'results.xml'}"]
    check(mutant("PingsByGetOnly"), "--model", str(MODEL), "--clause", "1.20", "--clause", "1.01", *files)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(result["clause"], result["outcome"]) for result in results] == [("1.01", "kept"), ("1.20", "broken")]
    assert results[1]["seen"].startswith("GET: 200, POST: 405")
    suite = ET.parse(tmp_path / "results.xml").getroot()
    assert suite.attrib == {"name": suite.attrib["name"], "tests": "2", "failures": "1"}
    failed = [case for case in suite if case.find("failure") is not None]
    assert [case.attrib["name"] for case in failed] == ["1.20 answer /ping with 200 to GET, and to POST"]


def test_a_recommendation_is_shown_and_fails_nothing(mutant, tmp_path):
    junit = tmp_path / "results.xml"
    checked = check(mutant("LogsToNowhere"), "--model", str(MODEL), "--clause", "1.57", f"--junit={junit}")
    assert checked.returncode == 0
    assert "advice 1.57" in checked.stdout
    assert "Recommended, not kept: 1." in words(checked.stdout)
    assert ET.parse(junit).getroot().attrib["failures"] == "0"


def test_a_profile_leaves_out_what_does_not_concern_it(mutant):
    checked = check(mutant("Reference"), "--model", str(MODEL), "--profile", "serverless", "--clause", "4.03")
    assert checked.returncode == 2
    assert "no such clause, or none in this profile" in checked.stderr


def test_a_running_server_is_asked_at_its_url_and_left_running(mutant, tmp_path):
    program = (mutant("Reference"), "serve")
    with closing(HostServer(MODEL, {}, program=program)) as server:
        server.wait_until_ready()
        sample = str(MODEL / "samples" / "one_row.csv")
        results = tmp_path / "results.json"
        checked = check(server.url, "--sample", sample, "--clause", "1.20", "--clause", "1.28", f"--json={results}")
        assert not server.has_ended()
    assert checked.returncode == 0, checked.stderr
    found = {result["clause"]: result for result in json.loads(results.read_text())}
    assert (found["1.20"]["outcome"], found["1.28"]["outcome"]) == ("kept", "not applicable")
    assert found["1.28"]["seen"] == "needs a start of its own; a URL can only be asked"


def asking_for(clause, kind, name):
    return ["--clause", clause, f"--{kind}-sample", str(COMPLETE / "requests" / f"{name}.json")]


WHAT_NOT_EVERY_MODEL_DOES = [
    *("--clause", "1.38"),
    *asking_for("1.39", "session", "new_session"),
    *asking_for("2.01", "stream", "streamed"),
    *asking_for("2.03", "broken-stream", "broken_stream"),
]


def outcomes(path):
    return {result["clause"]: result["outcome"] for result in json.loads(path.read_text())}


@pytest.mark.nginx
def test_our_server_keeps_what_not_every_model_does(tmp_path):
    slow, results = asking_for("1.32", "slow", "slow"), tmp_path / "results.json"
    checked = check(str(COMPLETE), *WHAT_NOT_EVERY_MODEL_DOES, *slow, f"--json={results}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert outcomes(results) == dict.fromkeys(("1.32", "1.38", "1.39", "2.01", "2.03"), "kept")


@pytest.mark.engine
def test_our_image_keeps_what_not_every_model_does(image, tmp_path):
    results = tmp_path / "results.json"
    checked = check(image, "--model", str(COMPLETE), *WHAT_NOT_EVERY_MODEL_DOES, f"--json={results}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert outcomes(results) == dict.fromkeys(("1.38", "1.39", "2.01", "2.03"), "kept")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a target"),
        (["one", "two"], "one target at a time, not one and two"),
        (["one", "--nonsense"], "unknown option --nonsense"),
        (["one", "--sample"], "--sample needs a value"),
        (
            ["one", "--profile", "cheap"],
            "--profile is real-time, serverless, batch, pipeline, marketplace, quick or all, not cheap",
        ),
        (["/bin/true"], "brings no sample request. Name one: --sample FILE --content-type TYPE"),
        (["/bin/true", "--sample", "/no/such.csv"], "No such file: /no/such.csv"),
        (["/bin/true", "--sample", "README.md"], "No media type is known for README.md. Name it: --content-type TYPE"),
        (["/bin/true", "--stream-sample", "/no/such.json"], "--stream-sample: no such file: /no/such.json"),
        (["/bin/true", "--json", "/no/such/folder.json"], "--json: no such folder: /no/such"),
        ([str(ROOT / "README.md")], "is a file that cannot be run. If it is a program that serves: chmod +x"),
        ([str(MODEL), "--limit", "ping_seconds="], "Expected NAME=NUMBER, found ping_seconds="),
        (
            ["/bin/true", "--docker-option=--read-only"],
            "--docker-option --read-only is for an image; /bin/true is none.",
        ),
        (["one", "--docker-option"], "--docker-option needs a value"),
        (["/bin/true", "--model", "nosuch"], "No model folder: looked for models/nosuch and for nosuch."),
        ([str(ROOT / "docs")], "No sample request: looked in"),
        ([str(MODEL), "--limit", "patience=1"], "No such limit: patience. There are: connect_seconds"),
    ],
)
def test_what_cannot_be_checked_ends_with_2_and_says_why(arguments, message):
    checked = check(*arguments)
    assert (checked.returncode, checked.stdout) == (2, "")
    assert message in words(checked.stderr)


@pytest.mark.engine
def test_an_image_that_is_not_there_ends_with_2_and_says_where_it_was_looked_for():
    checked = check("no-such-image:at-all")
    assert checked.returncode == 2
    assert "is no URL, no folder and no program, and Docker has no image of that name" in checked.stderr
    assert "docker pull no-such-image:at-all" in checked.stderr


def test_help_tells_everything():
    told = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True, cwd=Path("/")).stdout
    assert told.startswith("Check SageMaker's container contract")
    assert "--profile PROFILE" in told
