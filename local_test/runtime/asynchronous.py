"""InvokeEndpointAsync: an answer of 202 at once, the prediction later, as an object in S3."""

import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, cast

from runtime.endpoints import Endpoint
from runtime.errors import ModelError, ValidationError, Words
from runtime.headers import PREFIX, Headers, number_in, to_container
from runtime.invocation import Invocation, Request
from runtime.limits import MB, Limits, exceeds
from runtime.s3 import Location, Store, StoreError
from runtime.upstream import PART, Answer, Deadline, UpstreamError

AT_ONCE = 4  # MaxConcurrentInvocationsPerInstance, where AWS chooses it by itself
TIMEOUT = (PREFIX + "InvocationTimeoutSeconds", 900, 1, 3600)  # header, default, least, most
TIME_TO_LIVE = (PREFIX + "RequestTTLSeconds", 21_600, 60, 21_600)
DEFAULT_TYPE = "application/octet-stream"


class Failed(Exception):
    """The end of an invocation that the failure object tells of."""


@dataclass(frozen=True)
class Job:
    """One accepted request: *source* is where its body is in S3, or the body."""

    endpoint: Endpoint
    words: Words
    inference_id: str
    source: Location | bytes
    headers: Mapping[str, str]
    output: Location
    failure: Location | None
    timeout: int  # seconds
    expiry: Deadline


@dataclass(frozen=True)
class Outputs:
    """Where answers go, and where failures go, if anywhere."""

    output: Location
    failure: Location | None


class AsyncInvocations:
    """Accepts invocations and carries them out, a few at a time."""

    def __init__(self, store: Store, outputs: Outputs, limits: Limits, say: Callable[[str], None]):
        self.store = store
        self.outputs = outputs
        self.limits = limits
        self.say = say
        self.jobs: queue.Queue[Job] = queue.Queue()
        for _ in range(AT_ONCE):  # a ThreadPoolExecutor would not let the program end before the last job
            threading.Thread(target=self.work, daemon=True).start()

    @property
    def unfinished(self) -> int:
        """Return how many jobs wait or are at work."""
        return self.jobs.unfinished_tasks

    def work(self) -> None:
        """Do jobs for ever."""
        while True:
            self.carry_out(self.jobs.get())
            self.jobs.task_done()

    def accept(self, endpoint: Endpoint, words: Words, headers: Headers, body: bytes) -> Job:
        """Take a request; raise `ValidationError` if it cannot be carried out."""
        job = self.job_of(endpoint, words, headers, body)
        self.jobs.put(job)
        return job

    def job_of(
        self,
        endpoint: Endpoint,
        words: Words,
        headers: Headers,
        body: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> Job:
        """Return what is to be done; its time to live begins now."""
        inference_id = headers.get(PREFIX + "Inference-Id") or str(uuid.uuid4())
        folder = self.outputs.output.child(headers.get(PREFIX + "S3OutputPathExtension") or "")
        failure = self.outputs.failure
        return Job(
            endpoint,
            words,
            inference_id,
            self.source_of(headers, body),
            to_container(headers, PREFIX + "Content-Type", PREFIX + "Accept"),
            folder.child(headers.get(PREFIX + "Filename") or f"{inference_id}.out"),
            failure and failure.child(f"{inference_id}-error.out"),
            number_in(headers, *TIMEOUT),
            Deadline(number_in(headers, *TIME_TO_LIVE), clock),
        )

    def source_of(self, headers: Headers, body: bytes) -> Location | bytes:
        """Return where the body is: exactly one of InputLocation and Body must be given."""
        uri = headers.get(PREFIX + "InputLocation")
        if (uri is None) == (not body):
            raise ValidationError("Body and InputLocation are mutually exclusive. Provide exactly one of them.")
        if uri is None:
            return body
        try:
            return Location.parse(uri)
        except ValueError as error:
            raise ValidationError(f"InputLocation: {error}.") from error

    def carry_out(self, job: Job) -> None:
        """Do one job to its end, whatever that is; nothing is raised, for nobody would hear of it."""
        try:
            self.predict(job)
            self.say(f"{job.endpoint.name} async {job.inference_id}: wrote {job.output}")
        except ModelError as error:
            self.fail(job, error.original)
        except (Failed, StoreError, UpstreamError) as error:
            self.fail(job, str(error))
        except Exception as error:
            self.fail(job, f"{type(error).__name__}: {error}")

    def predict(self, job: Job) -> None:
        """Fetch the body, ask the endpoint, store its answer."""
        job.expiry.remaining()
        with TemporaryFile() as body, TemporaryFile() as result:
            request = self.request_of(job, cast("IO[bytes]", body))
            invocation = Invocation(job.endpoint, self.limits, Deadline(job.timeout), job.words)
            with closing(invocation.open(request)) as answer:
                content_type = answer.headers.get("Content-Type") or DEFAULT_TYPE
                self.save(invocation, answer, cast("IO[bytes]", result))
            self.store.put(job.output, cast("IO[bytes]", result), content_type)

    def request_of(self, job: Job, body: IO[bytes]) -> Request:
        """Return the request, its body in a file."""
        if isinstance(job.source, bytes):
            body.write(job.source)
        else:
            size = self.store.size(job.source)
            if exceeds(size, self.limits.async_bytes):
                limit = (self.limits.async_bytes or 0) // MB
                raise Failed(f"{job.source} has {size} bytes, which has exceeded the maximum limit of {limit} MB.")
            self.store.fetch(job.source, body)
        size = body.seek(0, os.SEEK_END)  # a large object is fetched in pieces, and the last written is not the last
        body.seek(0)
        return Request(body, size, job.headers)

    def save(self, invocation: Invocation, answer: Answer, result: IO[bytes]) -> None:
        """Write the answer's body into a file; the service takes only one whose length was announced."""
        container = invocation.last.name
        if answer.headers.get("Content-Length") is None:
            raise Failed(f"The response from container {container} did not specify the required Content-Length header")
        try:
            shutil.copyfileobj(Parts(answer), result, PART)
        except UpstreamError as error:
            raise invocation.failure(invocation.last, error) from error
        result.seek(0)

    def fail(self, job: Job, reason: str) -> None:
        """Store what went wrong, and say it."""
        self.say(f"{job.endpoint.name} async {job.inference_id}: failed: {reason}")
        if job.failure is None:
            return
        try:
            with TemporaryFile() as text:
                text.write(reason.encode())
                text.seek(0)
                self.store.put(job.failure, cast("IO[bytes]", text), "text/plain")
        except StoreError as error:
            self.say(f"{job.endpoint.name} async {job.inference_id}: {error}")


class Parts:
    """An answer as a file that can be read from."""

    def __init__(self, answer: Answer):
        self.answer = answer

    def read(self, size: int = -1) -> bytes:
        """Return what has arrived."""
        del size  # a part is never larger than what is asked for here
        return self.answer.read1()
