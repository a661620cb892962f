"""The model's life: loaded and proved before the fork, started in each worker, asked by each request."""

import dataclasses
import gc
import logging
import os
import select
import shutil
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Never

import gevent
import pytest

from builders import MATRIX
from builders import folder as build_folder
from fakes import FakeLoader, FakeModel
from server import until
from serving import status
from serving.errors import (
    BadRequest,
    DeadlineExceeded,
    InputKillsTheModel,
    NotAcceptable,
    NotReady,
    RequestError,
    StartError,
)
from serving.hooks import Hooks
from serving.inference import InferenceRequest, InferenceResponse
from serving.model import Model
from serving.plan import Plan
from serving.processes import child_environment, gunicorn_command, start
from serving.quarantine import Quarantine, digest_of
from serving.service import ANSWER_MARGIN, ModelService
from serving.settings import Settings
from serving.worker_table import WorkerTable

# Newer Pythons warn of a fork while native threads live. That is the canary's business.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

Transform = Callable[[InferenceRequest], InferenceResponse]
Loader = Callable[[Settings], Any]

PATIENCE = 20
REQUEST = InferenceRequest(b"[[1]]", "application/json")
REQUEST_OF_TWO = InferenceRequest(b"[[1, 2]]", "application/json")


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    """Give the collector back what `prepare` took from it."""
    yield
    gc.unfreeze()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with one sample, which is to be answered with `ok`."""
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "one.json").write_text("[[1]]")
    (samples / "one.expected.txt").write_text("ok")
    return tmp_path


def service_for(folder: Path, loader: Loader, **settings: Any) -> ModelService:
    read = Settings.from_environment({"SM_MODEL_DIR": str(folder)})
    return ModelService(dataclasses.replace(read, **settings), Plan(cpus=1.0, workers=1, threads=1), loader)


def started(folder: Path, loader: Loader = None, **settings: Any) -> ModelService:
    service = service_for(folder, loader or FakeLoader(), **settings)
    service.prepare()
    service.start()
    return service


def only_here(answer: Callable[[], Any]) -> Transform:
    """Return a `transform` that answers in the process that made it, and calls *answer* in every other."""
    here = os.getpid()

    def transform(request: InferenceRequest) -> InferenceResponse:
        if os.getpid() != here:
            answer()
        return InferenceResponse(b"ok", "text/plain")

    return transform


def raises(error: BaseException) -> Transform:
    def transform(request: InferenceRequest) -> Never:
        raise error

    return transform


# -- loaded once, or in each worker


def test_nothing_is_loaded_before_it_is_prepared(folder: Path) -> None:
    loader = FakeLoader()
    service = service_for(folder, loader)
    assert (loader.loads, service.ready, service.stuck) == (0, False, False)


def test_a_model_whose_samples_prove_it_is_loaded_once_and_shared(folder: Path) -> None:
    loader = FakeLoader()
    service = service_for(folder, loader)
    assert service.prepare() is True
    service.start()
    assert loader.loads == 1
    assert service.ready


def test_a_model_without_samples_is_proved_by_nothing(tmp_path: Path) -> None:
    assert service_for(tmp_path, FakeLoader()).prepare() is False


@pytest.mark.parametrize(
    "deed", [lambda: os._exit(1), lambda: time.sleep(60)], ids=["dies in a fork", "hangs in a fork"]
)
def test_a_model_that_does_not_survive_a_fork_is_not_shared(folder: Path, deed: Callable[[], Any]) -> None:
    loader = FakeLoader(lambda: FakeModel(only_here(deed)))
    assert service_for(folder, loader, canary_timeout=0.3).prepare() is False
    assert loader.loads == 1


def test_a_model_that_refuses_to_be_forked_is_not_shared_and_not_called_broken(folder: Path) -> None:
    """As CUDA does, with an exception in the forked process."""
    loader = FakeLoader(lambda: FakeModel(only_here(lambda: raises(BadRequest("cannot re-initialize"))(REQUEST))))
    assert service_for(folder, loader).prepare() is False


@pytest.mark.parametrize("samples", [True, False], ids=["with samples", "without samples"])
def test_where_each_worker_loads_the_model_nothing_of_it_is_there_before_the_fork(
    folder: Path, tmp_path: Path, samples: bool
) -> None:
    loader = FakeLoader()
    service = service_for(folder if samples else tmp_path / "empty", loader, load_per="worker")
    assert service.prepare() is True
    assert loader.loads == 0
    service.start()
    assert loader.loads == 1
    assert len(loader.models[0].requests) == (1 if samples else 0)
    assert service.answer(REQUEST).body == b"ok"


def test_a_model_that_is_prepared_is_not_ready_yet(folder: Path) -> None:
    service = service_for(folder, FakeLoader())
    service.prepare()
    assert not service.ready


def test_a_worker_warms_its_model_up_with_the_samples_before_it_is_ready(folder: Path) -> None:
    loader = FakeLoader()
    started(folder, loader)
    (model,) = loader.models
    assert [request.body for request in model.requests] == [b"[[1]]"]  # the canary's copy is not ours


def test_a_worker_runs_its_model_in_one_thread_that_is_not_the_hubs(folder: Path) -> None:
    threads = []

    def transform(request: InferenceRequest) -> InferenceResponse:
        threads.append(threading.get_ident())
        return InferenceResponse(b"ok", "text/plain")

    service = started(folder, FakeLoader(lambda: FakeModel(transform)))
    service.answer(REQUEST)
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


REFUSALS = {
    "a wrong answer": (lambda request: InferenceResponse(b"ko", "text/plain"), r"expected 'ok', found 'ko'"),
    "a refusal": (raises(BadRequest("no such column")), r"400 no such column"),
}


@pytest.mark.parametrize(("transform", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_model_that_fails_on_its_own_samples_ends_the_start(folder: Path, transform: Transform, message: str) -> None:
    service = service_for(folder, FakeLoader(lambda: FakeModel(transform)))
    with pytest.raises(StartError, match=message):
        service.prepare()


@pytest.mark.parametrize(("transform", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_model_that_fails_on_its_samples_only_in_the_worker_is_not_ready(
    folder: Path, transform: Transform, message: str
) -> None:
    service = service_for(folder, FakeLoader(lambda: FakeModel(transform)), load_per="worker")
    service.prepare()
    with pytest.raises(StartError, match=message):
        service.start()
    assert not service.ready


def test_a_model_that_cannot_be_loaded_ends_the_start(folder: Path) -> None:
    def load(settings: Any) -> Never:
        raise StartError("No model folder.")

    with pytest.raises(StartError, match="No model folder"):
        service_for(folder, load).prepare()


# -- whether requests are answered together


class Sums:
    """A model that adds up rows, and says how many it was given at once to what the test has made of it."""

    n_features_in_ = 2

    def __init__(self, note: Callable[[int], Any] = lambda rows: None) -> None:
        self.note = note

    def predict(self, rows: Any) -> Any:
        self.note(len(rows))
        return rows.sum(axis=1)


def summing(tmp_path: Path, note: Callable[[int], Any] = lambda rows: None, **more: Any) -> FakeLoader:
    """Return a loader of a real model with two samples."""
    build_folder(tmp_path, {"samples/a.json": "[[1, 2]]", "samples/b.json": "[[3, 4]]"})
    return FakeLoader(lambda: Model(Sums(note), Hooks(), MATRIX, "application/json", tmp_path, **more))


def verdicts(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith("batching is")]


def test_it_is_tried_once_before_the_fork_and_each_worker_goes_by_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given: list[int] = []
    service = service_for(tmp_path, summing(tmp_path, given.append), batch_rows=100)
    assert service.prepare() is True
    (line,) = verdicts(caplog)
    assert (line.getMessage(), line.levelname) == ("batching is on", "INFO")
    assert vars(line)["reason"] == "the samples' answers are exactly the same"
    assert vars(line)["most_rows"] == 100
    assert given == []  # but in forks
    service.start()
    assert given == [1, 1]  # the two samples, once: it is not tried again
    assert len(verdicts(caplog)) == 1


def test_requests_that_wait_for_such_a_model_are_answered_together(tmp_path: Path, gate: threading.Event) -> None:
    given: list[int] = []
    loader = summing(tmp_path, given.append)
    service = started(tmp_path, loader)
    loader.models[0].loaded.note = lambda rows: given.append(rows) or gate.wait(PATIENCE)
    first = gevent.spawn(service.answer, REQUEST_OF_TWO)
    until(lambda: gevent.sleep(0.01) or len(given) == 3, "the first request's turn", PATIENCE)
    others = [gevent.spawn(service.answer, REQUEST_OF_TWO) for _ in range(5)]
    gevent.sleep(0.05)
    gate.set()
    gevent.joinall([first, *others], PATIENCE, raise_error=True)
    assert {answer.value.body for answer in (first, *others)} == {b"[3.0]"}
    assert given[:3] == [1, 1, 1]
    assert sum(given[3:]) == 5
    assert max(given[3:]) > 1  # how many go together is the queue's to find out


def test_where_it_is_forbidden_each_is_answered_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gate: threading.Event
) -> None:
    caplog.set_level(logging.INFO)
    given: list[int] = []
    gate.set()
    service = started(tmp_path, summing(tmp_path, given.append, batching=False))
    (line,) = verdicts(caplog)
    assert (line.getMessage(), vars(line)["reason"]) == ("batching is off", "the manifest forbids it")
    assert not hasattr(line, "most_rows")
    gevent.joinall([gevent.spawn(service.answer, REQUEST_OF_TWO) for _ in range(5)], PATIENCE, raise_error=True)
    assert set(given) == {1}


@pytest.mark.parametrize(
    "deed", [lambda: os._exit(1), lambda: time.sleep(60)], ids=["dies of a batch", "hangs on a batch"]
)
def test_a_model_that_does_not_survive_a_batch_is_shared_and_served_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, deed: Callable[[], Any]
) -> None:
    caplog.set_level(logging.INFO)
    service = service_for(tmp_path, summing(tmp_path, lambda rows: rows > 1 and deed()), canary_timeout=1)
    assert service.prepare() is True
    service.start()
    (line,) = verdicts(caplog)
    assert (line.getMessage(), line.levelname) == ("batching is off", "INFO")
    assert service.answer(REQUEST_OF_TWO).body == b"[3.0]"


def test_who_asks_for_it_in_vain_is_warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = started(tmp_path, summing(tmp_path, lambda rows: 1 / (rows == 1), batching=True))
    (line,) = verdicts(caplog)
    assert (line.getMessage(), line.levelname) == ("batching is off", "WARNING")
    assert service.answer(REQUEST_OF_TWO).body == b"[3.0]"


@pytest.mark.parametrize(("asked", "said"), [(None, "batching is off"), (True, "batching is on")])
def test_where_each_worker_loads_the_model_it_is_tried_there_if_it_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, asked: bool | None, said: str
) -> None:
    caplog.set_level(logging.INFO)
    service = service_for(tmp_path, summing(tmp_path, batching=asked), load_per="worker")
    assert service.prepare() is True
    assert verdicts(caplog) == []
    service.start()
    assert [line.getMessage() for line in verdicts(caplog)] == [said]


# -- answering


def test_an_answer_is_the_models(folder: Path) -> None:
    loader = FakeLoader()
    service = started(folder, loader)
    assert service.answer(REQUEST) == InferenceResponse(b"ok", "text/plain")
    assert loader.models[0].requests[-1] is REQUEST


@pytest.mark.parametrize("prepared", [False, True])
def test_before_the_start_the_answer_is_that_the_model_is_not_ready(folder: Path, prepared: bool) -> None:
    service = service_for(folder, FakeLoader())
    if prepared:
        service.prepare()
    with pytest.raises(NotReady) as refusal:
        service.answer(REQUEST)
    assert refusal.value.status == 503


def test_an_error_of_the_model_is_the_answer(folder: Path) -> None:
    loader = FakeLoader()
    service = started(folder, loader)
    loader.models[0].transform_with = raises(BadRequest("no such column"))
    with pytest.raises(BadRequest, match="no such column"):
        service.answer(REQUEST)


def test_a_request_whose_answer_would_not_be_acceptable_costs_the_model_nothing(folder: Path) -> None:
    loader = FakeLoader()
    service = started(folder, loader)
    (model,) = loader.models
    model.negotiate_with = raises(NotAcceptable("image/png"))
    before = len(model.requests)
    with pytest.raises(NotAcceptable):
        service.answer(REQUEST)
    assert len(model.requests) == before


# -- busy and stuck


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocked model waits for; it opens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def blocked(folder: Path, gate: threading.Event, timeout: float) -> ModelService:
    """Return a started service whose model waits for the gate."""
    loader = FakeLoader()
    service = started(folder, loader, timeout=timeout)

    def transform(request: InferenceRequest) -> InferenceResponse:
        gate.wait(PATIENCE)
        return InferenceResponse(b"ok", "text/plain")

    loader.models[0].transform_with = transform
    return service


def test_a_busy_model_is_not_stuck(folder: Path, gate: threading.Event) -> None:
    service = blocked(folder, gate, timeout=60)
    answer = gevent.spawn(service.answer, REQUEST)
    gevent.sleep(0.05)
    assert not service.stuck
    gate.set()
    assert answer.get(timeout=PATIENCE).body == b"ok"


def test_a_model_is_stuck_only_once_nobody_waits_for_it_any_more_and_until_it_comes_back(
    folder: Path, gate: threading.Event
) -> None:
    timeout = ANSWER_MARGIN + 0.1
    service = blocked(folder, gate, timeout)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        service.answer(REQUEST)
    answered = time.monotonic()
    assert answered - began < timeout
    assert not service.stuck
    until(lambda: service.stuck, "the model to count as stuck", PATIENCE)
    assert time.monotonic() - began > timeout
    gate.set()
    until(lambda: not service.stuck, "the model to come back", PATIENCE)


def test_the_callers_own_error_arrives_before_the_platform_stops_waiting(folder: Path, gate: threading.Event) -> None:
    service = blocked(folder, gate, timeout=ANSWER_MARGIN + 0.1)
    with pytest.raises(RequestError) as late:
        service.answer(REQUEST)
    assert (late.value.status, late.value.code) == (504, "deadline_exceeded")


# -- in parts


class Parts:
    """The rest of an answer, which notes the threads that ask for it."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def __iter__(self) -> "Parts":
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return a part."""
        self.threads.append(threading.get_ident())
        return b"part"

    def close(self) -> None:
        """Note that too."""
        self.threads.append(threading.get_ident())


def answering_in_parts(parts: Parts, gate: threading.Event | None = None) -> Transform:
    def transform(request: InferenceRequest) -> InferenceResponse:
        if gate and request is REQUEST:
            gate.wait(PATIENCE)
        rest = parts if request is REQUEST else None
        return InferenceResponse(b"ok", "text/plain", {"X-Colour": "red"}, rest)

    return transform


def test_the_parts_of_an_answer_are_asked_for_in_the_models_thread_when_they_are_wanted(folder: Path) -> None:
    parts = Parts()
    service = started(folder, FakeLoader(lambda: FakeModel(answering_in_parts(parts))))
    answer = service.answer(REQUEST)
    assert (answer.body, answer.headers, parts.threads) == (b"ok", {"X-Colour": "red"}, [])
    assert [next(answer.rest), next(answer.rest)] == [b"part", b"part"]
    answer.rest.close()
    assert len(parts.threads) == 3
    assert len({*parts.threads, threading.get_ident()}) == 2


def test_an_answer_in_parts_that_comes_too_late_is_closed(folder: Path, gate: threading.Event) -> None:
    parts = Parts()
    model = FakeModel(answering_in_parts(parts, gate))
    service = started(folder, FakeLoader(lambda: model), timeout=ANSWER_MARGIN + 0.1)
    with pytest.raises(DeadlineExceeded):
        service.answer(REQUEST)
    gate.set()
    until(lambda: gevent.sleep(0) or parts.threads, "the parts' end", PATIENCE)
    assert threading.get_ident() not in parts.threads


def test_a_late_answer_that_is_whole_needs_no_closing(folder: Path, gate: threading.Event) -> None:
    service = blocked(folder, gate, ANSWER_MARGIN + 0.1)
    with pytest.raises(DeadlineExceeded):
        service.answer(REQUEST)
    gate.set()
    assert service.answer(InferenceRequest(b"[[2]]", "application/json")).body == b"ok"


# -- inputs that kill workers


def test_a_call_of_the_model_is_noted_and_what_is_condemned_never_reaches_it(folder: Path) -> None:
    table, seen = WorkerTable(1, 300), []

    def transform(request: InferenceRequest) -> InferenceResponse:
        seen.append(table.row(0).digests)
        return InferenceResponse(b"ok", "text/plain")

    service = service_for(folder, FakeLoader(lambda: FakeModel(transform)))
    service.prepare()
    service.start(Quarantine(table, 0))
    service.answer(REQUEST)
    assert seen[-1] == [digest_of(REQUEST)]
    table.suspects.add([digest_of(REQUEST)], on_trial=True)
    with pytest.raises(InputKillsTheModel):
        service.answer(REQUEST)
    assert table.row(0).answered == 1


# -- in a real worker


@pytest.fixture
def worker_ready() -> Iterator[Callable[[Path, float], bool]]:
    """Start the real gunicorn on a model folder; return whether a worker of it becomes ready."""
    reader, writer = os.pipe()
    run_dir = Path(tempfile.mkdtemp(prefix="run-"))  # shorter than pytest's: a socket's path has 108 bytes
    children = []

    def ask(folder: Path, seconds: float) -> bool:
        settings = Settings.from_environment({"SM_MODEL_DIR": str(folder)})
        asked = {"PATH": os.environ["PATH"], "SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SERVING_CANARY_TIMEOUT": "1"}
        environ = child_environment(asked, settings, run_dir, writer)
        children.append(start("gunicorn", gunicorn_command(), environ, writer))
        deadline, heard = time.monotonic() + seconds, []
        while status.WORKER_READY not in heard and (left := deadline - time.monotonic()) > 0:
            if not select.select([reader], [], [], left)[0]:
                break
            heard += [event for event, *_ in status.events_in(os.read(reader, 65536))]
        return status.WORKER_READY in heard

    yield ask
    for child in children:
        child.kill_group()
        os.waitpid(child.pid, 0)
    os.close(reader)
    os.close(writer)
    shutil.rmtree(run_dir)


SHARED_POOL = """
    from concurrent.futures import ThreadPoolExecutor

    POOL = ThreadPoolExecutor(1)  # its thread starts with the first call, and a fork does not take it along


    def score(rows):
        return list(POOL.map(len, rows))
"""
HOOKS = """
    from scoring import score


    def model_fn(model_dir):
        return score(["warm", "up"])


    def predict_fn(rows, model):
        return score(rows)
"""


def test_a_model_that_hangs_after_a_fork_because_of_a_module_it_imports_is_served_all_the_same(
    tmp_path: Path, worker_ready: Callable[[Path, float], bool]
) -> None:
    """The workers' own copies must not come from a process in which the module has already started its threads."""
    (tmp_path / "code").mkdir()
    (tmp_path / "samples").mkdir()
    (tmp_path / "code" / "scoring.py").write_text(textwrap.dedent(SHARED_POOL))
    (tmp_path / "code" / "inference.py").write_text(textwrap.dedent(HOOKS))
    (tmp_path / "samples" / "one.json").write_text("[[1]]")
    assert worker_ready(tmp_path, 10)
