"""The model's life in gunicorn: loaded and proved before the fork, started in each worker, asked by each request."""

import gc
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from serving import memory
from serving.admission import Admission, Sign
from serving.batch_limit import BatchLimit
from serving.batch_proof import Judge, Verdict, judge_in_fork, judge_in_worker
from serving.batching import answer_one_by_one, answer_together
from serving.canary import Proof, prove_fork
from serving.counts import batch_ends, counted_load
from serving.errors import NotReady, StartError
from serving.execution_parameters import planned_parameters
from serving.inference import InferenceRequest, InferenceResponse
from serving.model import Model
from serving.native_thread import NativeThread
from serving.plan import Plan, settle
from serving.quarantine import Quarantine
from serving.request_queue import RequestQueue
from serving.samples import Sample, find_samples, replay
from serving.settings import Settings
from serving.streams import Budget, Stream, close_parts
from serving.tickets import Answer

ANSWER_MARGIN = 1.0  # seconds: our own 504 has to be out before the platform stops waiting

log = logging.getLogger(__name__)


class ModelService:
    """One model and the thread that runs it. `prepare` in the arbiter, `start` in each worker, then `answer`."""

    def __init__(self, settings: Settings, plan: Plan, load: Callable[[Settings], Model]):
        """Take what is needed to load the model; nothing happens yet."""
        self._settings = settings
        self.plan = plan  # settled by `prepare`
        self.model_bytes: int | None = None  # measured by `prepare`
        self._load = counted_load(load)
        self._samples: list[Sample] = []
        self._model: Model | None = None
        self._batching: Verdict | None = None
        self._thread: NativeThread | None = None
        self._queue: RequestQueue | None = None
        self._quarantine = Quarantine.of_one_worker(settings.quarantine)

    def prepare(self) -> bool:
        """
        Load the model before the fork, so that the workers share its memory, and prove that they can.

        Returns:
            False when they cannot. The arbiter must then begin anew, with `SERVING_LOAD_PER=worker`: native threads
            that the load has started here would be missing in whatever is forked from this process.
        """
        self._samples = find_samples(self._settings.model_dir)
        if self._settings.load_per == "worker":
            log.info("each worker loads the model")
            self._settle(self._settings.model_bytes, self._settings.model_bytes, shared=False)
            return True
        before = memory.held_by(os.getpid())
        began = time.monotonic()
        model = self._load(self._settings)
        loaded = time.monotonic()
        gc.collect()
        gc.freeze()  # the collector would touch, and so copy, every shared page in the canary and in every worker
        self.model_bytes = memory.growth(before, os.getpid())
        proof = self._prove(model)
        report_load(proof, loaded - began, time.monotonic() - loaded, len(self._samples))
        if proof.shared:
            self._model = model
            self._batching = self._judge(model, judge_in_fork)
            self._settle(self.model_bytes, proof.private, shared=True)
        return proof.shared

    def _settle(self, model: int | None, each: int | None, shared: bool) -> None:
        """Fit the plan to the memory, where it could be measured."""
        self.plan = settle(self.plan, memory.measure(model, each, shared), self._settings.workers)

    def _prove(self, model: Model) -> Proof:
        if not self._samples:
            return Proof(False, "there are no samples/ to prove that the model survives a fork")
        try:
            return prove_fork(lambda: replay(model, self._samples), self._settings.canary_timeout)
        except StartError as refusal:
            # The model's own fault comes out here again; what is left is the fork's, as with CUDA.
            replay(model, self._samples)
            return Proof(False, f"a forked copy of the model fails where the model itself does not: {refusal}")

    def _judge(self, model: Model, judge: Judge) -> Verdict:
        """Return, and log, whether requests are answered together."""
        verdict = judge(model, self._samples, self._settings.batch_rows, self._settings.canary_timeout)
        report_batching(verdict, self._settings.batch_rows)
        return verdict

    def start(self, quarantine: Quarantine | None = None, sign: Sign | None = None) -> None:
        """
        Make this worker ready: load the model if it is not shared, and warm it up with its samples.

        Args:
            quarantine: the worker's part in the table of all workers; else it knows of itself alone.
            sign: its part in the sign at which nginx refuses for all workers; else each refuses by itself.
        """
        self._quarantine = quarantine = quarantine or self._quarantine
        thread = NativeThread(self.plan.threads)
        model = self._model or thread.run(lambda: self._load(self._settings), self._settings.startup_timeout)
        thread.run(lambda: replay(model, self._samples), self._settings.startup_timeout)
        verdict = self._batching or thread.run(
            lambda: self._judge(model, judge_in_worker), self._settings.startup_timeout
        )
        most = self._settings.batch_rows if verdict.together else 1
        admission = Admission(BatchLimit(most), self._settings.max_wait, sign=sign)
        answer = quarantine.watched(answerer(model, most))
        self._queue = RequestQueue(thread, answer, admission, batch_ends, stands_alone=quarantine.stands_alone)
        self._model, self._thread = model, thread

    @property
    def ready(self) -> bool:
        """Tell whether this worker has a warm model."""
        return self._thread is not None

    @property
    def waiting(self) -> int:
        """Return how many requests the model of this worker has not been asked for yet."""
        return 0 if self._queue is None else self._queue.waiting

    @property
    def stuck(self) -> bool:
        """Tell whether a call has been running for longer than anybody waits for it: busy is healthy, stuck is not."""
        return self._thread is not None and self._thread.busy_seconds() > self._settings.timeout

    @property
    def computes(self) -> bool:
        """Tell whether the model is running at this moment."""
        return self._thread is not None and self._thread.busy_seconds() > 0

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """
        Return the model's answer.

        Raises:
            RequestError: saying what went wrong, and whose fault it is.
        """
        model, thread, queue = self._model, self._thread, self._queue
        if model is None or thread is None or queue is None:
            raise NotReady("The model is not loaded in this process.")
        model.negotiate(request)  # a 406 costs the model nothing
        self._quarantine.admit(request)
        seconds = self._settings.timeout - ANSWER_MARGIN
        budget = Budget(seconds)
        answer = queue.run(request, seconds, partial(discard, request_id=request.request_id))
        if answer.rest is None:
            return answer
        parts = self._quarantine.watched_parts(answer.rest, request)
        return answer._replace(rest=Stream(answer.body, parts, thread, budget, request.request_id))

    @property
    def execution_parameters(self) -> Mapping[str, Any]:
        """Return what a batch transform job should know, from the user's hook or the plan."""
        if self._model is not None and self._model.execution_parameters is not None:
            return self._model.execution_parameters
        return planned_parameters(self.plan, self._settings.max_body_bytes)


def answerer(model: Model, most_rows: int) -> Answer:
    """Return what answers requests: those of up to *most_rows* rows together, or one by one."""
    if most_rows < 2:
        return partial(answer_one_by_one, model)
    return lambda requests, is_wanted: answer_together(model, requests, most_rows, is_wanted)


def discard(answer: InferenceResponse, request_id: str) -> None:
    """Let the hook of an answer that came too late clean up."""
    if answer.rest is not None:
        close_parts(answer.rest, request_id)


def report_batching(verdict: Verdict, most_rows: int) -> None:
    """Write the one log line about batching."""
    line = {"reason": verdict.reason, **({"most_rows": most_rows} if verdict.together else {})}
    level = logging.WARNING if verdict.against_wish else logging.INFO
    log.log(level, "batching is %s", "on" if verdict.together else "off", extra=line)


def report_load(proof: Proof, load_seconds: float, proof_seconds: float, samples: int) -> None:
    """Write the one log line about the load."""
    line = {
        "load_seconds": round(load_seconds, 3),
        "proof_seconds": round(proof_seconds, 3),
        "samples": samples,
        "loaded_per": "container" if proof.shared else "worker",
        "reason": proof.reason,
    }
    log.info("model loaded", extra=line)
