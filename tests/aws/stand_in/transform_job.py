"""One batch transform job: a container is asked for every object below a prefix."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from aws.stand_in.fleet import Fleet, Unhealthy
from aws.stand_in.logs import Stream
from aws.stand_in.payloads import assembled, objects_below, output_key, payloads, split

BATCH = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}
NAMES = {value: name for name, value in BATCH.items()}
VARIABLES = {
    "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
    "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
}
DEFAULTS = {"MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord", "MaxConcurrentTransforms": 1}
SECONDS = 600  # of one invocation, by default
GROUP = "/aws/sagemaker/TransformJobs"
SEE_LOGS = "See job logs for more information"


class JobError(Exception):
    """The job fails; the message is its reason."""


class Stopped(Exception):
    """Somebody stopped the job."""


class TransformJob:
    """A job at work; `job` is moto's record of it."""

    def __init__(self, job: Any, asked: dict[str, Any], fleet: Fleet, say: Callable[[str], None]):
        self.job, self.asked, self.fleet = job, asked, fleet
        self.log = Stream(fleet.needs.clients("logs"), GROUP, f"{asked['TransformJobName']}/stand-in/data-log", say)
        self.s3 = fleet.needs.clients("s3")
        self.input, self.output = asked["TransformInput"], asked["TransformOutput"]
        self.bucket, self.prefix = split(self.input["DataSource"]["S3DataSource"]["S3Uri"])

    def start(self, model: Mapping[str, Any], seconds: float) -> None:
        """Start the containers; raise `JobError` if they are not healthy in time."""
        self.log.open()
        try:
            self.fleet.start(model, self.variables())
            self.fleet.wait(seconds)
        except Unhealthy as error:
            self.log.put(str(error))
            raise JobError(f"AlgorithmError: {SEE_LOGS}") from error

    def carry_out(self) -> None:
        """Transform every object; raise `JobError` at the end if one could not be."""
        parameters = self.parameters()
        keys = objects_below(self.s3, self.bucket, self.prefix)
        if not keys:
            raise JobError(f"ClientError: No objects were found below s3://{self.bucket}/{self.prefix}")
        failures = [reason for key in keys if (reason := self.transform(key, parameters))]
        if failures:
            raise JobError(failures[0])

    def variables(self) -> dict[str, str]:
        """Return the environment: of the three settings those that the caller chose."""
        chosen = {
            name: str(BATCH.get(self.asked[key], self.asked[key]))
            for key, name in VARIABLES.items()
            if key in self.asked
        }
        return {"SAGEMAKER_BATCH": "true", **chosen, **self.asked.get("Environment", {})}

    def url(self, path: str) -> str:
        """Return an address in the container that is asked first."""
        return f"http://127.0.0.1:{self.fleet.containers()[0].port}/{path}"

    def parameters(self) -> dict[str, Any]:
        """Return the three settings: the caller's, else the container's, else SageMaker's."""
        answer = requests.get(self.url("execution-parameters"), timeout=SECONDS)
        said: dict[str, Any] = {}
        if answer.status_code == 200:
            try:
                said = answer.json()
            except requests.JSONDecodeError as error:
                raise JobError("AlgorithmError: /execution-parameters answered 200, and no JSON") from error
        if "BatchStrategy" in said:
            said["BatchStrategy"] = NAMES[said["BatchStrategy"]]
        return {name: self.asked.get(name, said.get(name, default)) for name, default in DEFAULTS.items()}

    def transform(self, key: str, parameters: Mapping[str, Any]) -> str | None:
        """Transform one object; return the job's reason if the container did not take it, and write nothing then."""
        try:
            body = assembled(self.answers(key, parameters), self.output.get("AssembleWith", "None"))
        except JobError as error:
            return str(error)
        bucket, folder = split(self.output["S3OutputPath"])
        target = f"{folder.rstrip('/')}/{output_key(key, self.prefix)}".lstrip("/")
        self.s3.put_object(Bucket=bucket, Key=target, Body=body)
        return None

    def answers(self, key: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield what the container answers to each part of an object."""
        content = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        limit = int(parameters["MaxPayloadInMB"]) << 20
        for payload in payloads(content, self.input, parameters["BatchStrategy"], limit):
            if self.job.transform_job_status == "Stopping":
                raise Stopped
            if limit and len(payload) > limit:
                self.log.put(f"{self.bucket}/{key}: a record of {len(payload)} bytes is over MaxPayloadInMB")
                raise JobError(f"ClientError: {SEE_LOGS}")
            yield self.ask(key, payload)

    def ask(self, key: str, payload: bytes) -> bytes:
        """Send a payload through the containers."""
        headers = {"Content-Type": self.input.get("ContentType"), "Accept": self.output.get("Accept")}
        seconds = self.asked.get("ModelClientConfig", {}).get("InvocationsTimeoutInSeconds", SECONDS)
        for container in self.fleet.containers():
            url = f"http://127.0.0.1:{container.port}/invocations"
            answer = requests.post(url, data=payload, headers=headers, timeout=seconds)
            if answer.status_code != 200:
                kind = "ClientError" if answer.status_code < 500 else "AlgorithmError"
                self.log.put(f"{self.bucket}/{key}: {kind}: {answer.status_code}: {answer.text}")
                raise JobError(f"{kind}: {SEE_LOGS}")
            payload, headers["Content-Type"] = answer.content, answer.headers.get("Content-Type")
        return payload
