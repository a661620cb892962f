"""`train` on this machine: what it leaves when all is well, and what it says when it is not."""

import re
import signal
import subprocess
import sys

import pytest

from server import ROOT, processes, until
from serving.manifest import read_manifest, verify_files

DOCUMENT = (ROOT / "docs" / "training.md").read_text()
MODEL = """
import os, sys
import joblib
from sklearn.dummy import DummyRegressor
model = DummyRegressor(strategy="constant", constant=[float(sys.argv[2])]).fit([[0]], [0])
joblib.dump(model, os.environ["SM_MODEL_DIR"] + "/model.joblib")
print("a line for the log", file=sys.stderr)
"""
SAVES = """
import os, pathlib, signal, sys
def save(number, frame):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "partial").write_text("what there was")
    sys.exit()
signal.signal(signal.SIGTERM, save)
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "began").touch()
signal.pause()
"""
SLOW = """
import pathlib, time
def model_fn(model_dir):
    pathlib.Path(model_dir).with_name("proof").touch()
    time.sleep(60)
"""


def failure(root):
    return (root / "output" / "failure").read_text()


@pytest.mark.nginx
def test_the_documents_own_program_makes_a_folder_that_can_be_served_as_it_stands(job, train):
    (program,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    script = program + "import sys\nprint('a line for the log', file=sys.stderr)\n"
    hooks = "def predict_fn(rows, model):\n    return model.predict(rows) * 2\n"
    rows = {"data/train/a.csv": "0,1,2\n1,3,4\n", "data/train/b.csv": "1,5,6\n"}
    root = job({"data/code/train.py": script, "data/code/inference.py": hooks, **rows}, penalty="0.5")
    (root / "output").mkdir()
    (root / "output" / "failure").write_text("of an earlier try")
    done = train(root)
    assert done.returncode == 0, done.stderr
    assert "a line for the log" in done.stderr
    manifest = read_manifest(root / "model")
    verify_files(manifest, root / "model")
    assert set(manifest.files) == {"model.joblib"}
    assert "scikit-learn" in manifest.libraries
    assert (root / "model" / "code" / "inference.py").read_text() == hooks
    assert not (root / "output" / "failure").exists()


@pytest.mark.nginx
def test_a_model_that_cannot_be_served_fails_the_job_and_not_an_endpoint(job, train):
    wrong = MODEL + 'os.mkdir(d := os.environ["SM_MODEL_DIR"] + "/samples")\n'
    wrong += 'open(d + "/a.csv", "w").write("1")\nopen(d + "/a.expected.json", "w").write("[4]")\n'
    root = job({"data/code/train.py": wrong}, answer="3")
    done = train(root)
    assert done.returncode == 1
    assert failure(root).startswith(
        "The model was trained, but it cannot be served: The model's answer to its own sample"
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("pass", "train.py ended with status 0, but "),
        ("raise ValueError('the third column is text')", "train.py ended with status 1: ValueError: the third column"),
        ("import sys; sys.exit('no column of labels')", "train.py ended with status 1: no column of labels"),
        ("import os; os.abort()", "train.py was ended by SIGABRT: it wrote nothing to stderr"),
        (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my words'); raise SystemExit(5)",
            "my w",
        ),
    ],
)
def test_what_goes_wrong_in_the_script_is_told_and_ends_the_job_with_its_status(job, train, script, expected):
    root = job({"data/code/train.py": script})
    done = train(root)
    assert done.returncode == (134 if "abort" in script else 5 if "my words" in script else 1)
    assert failure(root).startswith(expected)


def test_a_channel_without_data_is_told_before_anything_runs(job, train):
    root = job({"data/code/train.py": "raise SystemExit(9)", "config/inputdataconfig.json": '{"train": {}}'})
    assert (train(root).returncode, "The channel 'train' is declared" in failure(root)) == (1, True)


def test_an_earlier_model_is_not_taken_for_the_new_one(job, train):
    root = job({"data/code/train.py": "pass"})
    (root / "model").mkdir()
    (root / "model" / "model.joblib").touch()
    assert (train(root).returncode, "model is not empty: found model.joblib" in failure(root)) == (1, True)


def test_a_fault_of_trains_own_is_told_as_one(job, train):
    root = job({"data/code/train.py": "", "config/hyperparameters.json": '{"x": "a\\u0000b"}'})
    done = train(root)
    assert done.returncode == 1
    assert failure(root).startswith("A fault of the image's own program `train`: ValueError: embedded null")
    assert "Traceback" in done.stderr


def test_where_the_failure_cannot_be_written_the_log_has_it(job, train):
    root = job({"data/code/train.py": ""})
    (root / "output" / "failure").mkdir(parents=True)
    done = train(root)
    assert done.returncode == 1
    assert "failure cannot be written, so SageMaker will not show this" in done.stderr


def test_the_process_that_waits_for_the_script_loads_no_library_of_the_models():
    program = "import sys, training.launch; print(*sys.modules)"
    environ = {"PYTHONPATH": str(ROOT / "container" / "code")}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert "training.running" in ran.stdout.split()
    assert not {"numpy", "pandas", "sklearn", "gevent", "flask"} & set(ran.stdout.split())


def test_an_option_that_there_is_not_ends_with_the_usage(train, tmp_path):
    done = train(tmp_path, "--nonsense")
    assert (done.returncode, "usage: train" in done.stderr) == (2, True)


def test_sigterm_reaches_the_script_which_may_save_what_it_has(job):
    root = job({"data/code/train.py": SAVES})
    command = [sys.executable, ROOT / "container" / "code" / "train", "--root", root]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until((root / "output" / "data" / "began").exists, "the script's beginning")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert (root / "model" / "partial").read_text() == "what there was"
    assert (root / "model" / "manifest.json").is_file()


@pytest.mark.nginx
def test_a_stop_during_the_proof_fails_no_job_that_has_a_model(job):
    root = job({"data/code/train.py": MODEL, "data/code/inference.py": SLOW}, answer="3")
    command = [sys.executable, ROOT / "container" / "code" / "train", "--root", root]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until((root / "proof").exists, "the proof's beginning")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert not (root / "output" / "failure").exists()
    assert (root / "model" / "manifest.json").is_file()


DEAF = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, file=sys.stderr, flush=True)
os.kill(os.getppid(), signal.SIGTERM)
while True:
    signal.pause()
"""
RUN = """
import os, pathlib, sys
from serving.launch import SignalNotes
from training.running import run
ended = run([sys.executable, "-c", sys.argv[1]], os.environ, pathlib.Path("/"), SignalNotes(), grace=0.2)
print(ended.status, ended.stopped, ended.log, end="")
"""


def test_who_does_not_heed_sigterm_is_killed_with_all_that_it_started():
    environ = {"PYTHONPATH": str(ROOT / "container" / "code")}
    command = [sys.executable, "-c", RUN, DEAF]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    status, stopped, child = ran.stdout.split()
    assert (status, stopped) == ("137", "True")
    until(lambda: int(child) not in {pid for pid, _, command in processes() if command}, "the end of what it started")
