"""Batch transform jobs, each in a thread."""

import threading
import traceback
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from aws.stand_in.fleet import Fleet
from aws.stand_in.hosting import Hosting
from aws.stand_in.transform_job import GROUP, JobError, Stopped, TransformJob


class Transforms:
    """The jobs, each in a thread."""

    def __init__(self, hosting: Hosting, say: Callable[[str], None]):
        self.hosting = hosting
        self.say = say

    def begin(self, job: Any, asked: dict[str, Any], model: dict[str, Any], region: str) -> None:
        """Begin a job; *job* is moto's record of it."""
        if "DataProcessing" in asked:
            raise ValidationError(
                message="the stand-in for SageMaker does not filter or join: leave out DataProcessing"
            )
        job.transform_job_status, job.failure_reason = "InProgress", None
        job.labeling_job_arn = job.auto_ml_job_arn = job.transform_end_time = None
        threading.Thread(target=self.attempt, args=(job, asked, model, region), daemon=True).start()

    def stop(self, job: Any) -> None:
        """End a job early."""
        if job.transform_job_status != "InProgress":
            raise ValidationError(
                message=f"The request was rejected because the transform job is in status {job.transform_job_status}."
            )
        job.transform_job_status = "Stopping"

    def attempt(self, job: Any, asked: dict[str, Any], model: dict[str, Any], region: str) -> None:
        """Do a job to its end, whatever that is."""
        fleet = Fleet(self.hosting.needs(region, GROUP), asked["TransformJobName"])
        status, reason = "Completed", None
        try:
            work = TransformJob(job, asked, fleet, self.say)
            work.start(model, self.hosting.startup({}))
            work.carry_out()
        except Stopped:
            status = "Stopped"
        except JobError as error:
            status, reason = "Failed", str(error)
        except Exception as error:
            self.say(f"{job.transform_job_name}: {traceback.format_exc()}")
            status, reason = "Failed", f"InternalServerError: the stand-in failed: {error!r}"
        fleet.stop()
        job.failure_reason, job.transform_end_time = reason, utcnow()
        job.transform_job_status = status
