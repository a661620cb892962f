"""One job at work: its folders are filled, its container runs to its end, and what it made is fetched."""

import shutil
import subprocess
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from aws.stand_in.engine import EngineError, Running
from aws.stand_in.hosting import Hosting
from aws.stand_in.images import ImageRefused, resolved
from aws.stand_in.jobs.records import JobRecord
from aws.stand_in.logs import Stream

HOST = "algo-1"
GRACE = 120  # seconds between SIGTERM and SIGKILL
POLL = 0.2
LONGEST_REASON = 1024  # characters of what a program says


class JobFailed(Exception):
    """The job fails; the message is its reason."""


class KeptStream(Stream):
    """A log stream that also remembers."""

    def __init__(self, *place: Any):
        super().__init__(*place)
        self.lines: list[str] = []

    def put(self, line: str) -> None:
        """Put one line."""
        self.lines.append(line)
        super().put(line)


class Work:
    """A job; each sort of them says what its folders are, how its container is called, and what becomes of the rest."""

    def __init__(self, record: JobRecord, hosting: Hosting):
        self.record, self.hosting, self.asked = record, hosting, record.asked
        self.clients = hosting.clients.of(record.region)
        self.s3 = self.clients("s3")
        self.root = Path(tempfile.mkdtemp(prefix="job-", dir=hosting.folder))  # /opt/ml
        stream = f"{record.name}/{HOST}-{int(time.time())}"
        self.log = KeptStream(self.clients("logs"), f"/aws/sagemaker/{record.word}Jobs", stream, hosting.say)

    # -- what a sort of jobs says of itself

    def prepare(self) -> None:
        """Fill the folders; raise `JobFailed` if there is nothing to fill them with."""
        raise NotImplementedError

    def command(self) -> tuple[str, list[str], list[str]]:
        """Return the image, the options of `docker create`, and the arguments of the container."""
        raise NotImplementedError

    def begun(self) -> None:
        """Take note that the container runs."""

    def finish(self, code: int, *, overdue: bool) -> None:
        """Fetch what was made, and end the record."""
        raise NotImplementedError

    # -- what all have in common

    def begin(self) -> None:
        """Begin, in a thread."""
        threading.Thread(target=self.attempt, daemon=True).start()

    def attempt(self) -> None:
        """Do the job to its end, whatever that is."""
        try:
            self.log.open()
            self.prepare()
            code, overdue = self.run()
            self.finish(code, overdue=overdue)
        except JobFailed as failed:
            self.fail(str(failed))
        except Exception as error:
            self.hosting.say(f"{self.record.name}: {traceback.format_exc()}")
            self.fail(f"InternalServerError: the stand-in failed: {error!r}")
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    def fail(self, reason: str) -> None:
        """End the record."""
        self.record.end("Failed", FailureReason=reason)

    def run(self) -> tuple[int, bool]:
        """Run the container; return its exit code, and whether it took longer than it may."""
        image, options, arguments = self.command()
        engine = self.hosting.engine
        try:
            name = resolved(image, self.clients)
            engine.fetch(name)
            running = engine.begin(name, [*self.surroundings(), *options], arguments)
        except (EngineError, ImageRefused) as error:
            raise JobFailed(f"ClientError: the container cannot be started: {error}") from error
        self.begun()
        follower = threading.Thread(target=self.log.follow, args=(running,), daemon=True)
        follower.start()
        overdue = self.wait(running)
        follower.join(10)
        shown = engine.docker("inspect", "--format", "{{.State.ExitCode}}", running.identity)
        running.stop(seconds=1)
        return int(shown.stdout), overdue

    def wait(self, running: Running) -> bool:
        """Wait for the end; stop a container whose time is over, or whose job somebody stopped."""
        longest = self.asked.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        deadline = time.monotonic() + longest
        while not running.has_ended():
            if time.monotonic() > deadline or self.record.status == "Stopping":
                self.hosting.engine.docker("stop", "--time", str(GRACE), running.identity, check=False)
                return time.monotonic() > deadline
            time.sleep(POLL)
        return False

    def surroundings(self) -> list[str]:
        """Return the options that every job has."""
        isolated = ["--network", "none"] if self.is_isolated() else []
        variables = {**self.variables(), **self.asked.get("Environment", {})}
        given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        return ["--hostname", HOST, "--volume", f"{self.root}:/opt/ml", *isolated, *given]

    def is_isolated(self) -> bool:
        """Tell whether the container has no network."""
        return bool(self.asked.get("EnableNetworkIsolation"))

    def variables(self) -> dict[str, str]:
        """Return the platform's variables."""
        word = self.record.word.upper()
        return {f"{word}_JOB_NAME": self.record.name, f"{word}_JOB_ARN": self.record.arn}

    def resources(self, instance_type: str) -> dict[str, Any]:
        """Return what resourceconfig.json says."""
        return {"current_host": HOST, "hosts": [HOST], "current_instance_type": instance_type}

    def said(self, path: Path) -> str:
        """Return what the program has left for the person, as much as SageMaker takes of it."""
        return path.read_text(errors="replace")[:LONGEST_REASON].strip() if path.is_file() else ""


def free(root: Path) -> None:
    """Let the container, whoever it is, write below a folder, and anybody read what is there."""
    subprocess.run(["chmod", "--recursive", "a+rwX", str(root)], check=True)
