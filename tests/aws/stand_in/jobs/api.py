"""The operations of processing and training jobs."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError

from aws.stand_in.hosting import Hosting
from aws.stand_in.jobs.processing import Processing
from aws.stand_in.jobs.records import JobRecord, ProcessingRecord, TrainingRecord
from aws.stand_in.jobs.refusals import check_job
from aws.stand_in.jobs.training import Training


class JobOperations:
    """For the class that has moto's other operations."""

    hosting: Hosting

    def create_processing_job(self) -> ActionResult:
        """Begin to process."""
        check_job("CreateProcessingJob", self.asked, self.asked["AppSpecification"]["ImageUri"], self.clients)
        record = self.take(ProcessingRecord, self.sagemaker_backend.processing_jobs)
        Processing(record, self.hosting).begin()
        return ActionResult({"ProcessingJobArn": record.arn})

    def create_training_job(self) -> ActionResult:
        """Begin to train."""
        image = self.asked["AlgorithmSpecification"].get("TrainingImage")
        check_job("CreateTrainingJob", self.asked, image, self.clients)
        record = self.take(TrainingRecord, self.sagemaker_backend.training_jobs)
        Training(record, self.hosting).begin()
        return ActionResult({"TrainingJobArn": record.arn})

    def stop_processing_job(self) -> EmptyResult:
        """End a job early."""
        return self.stop(ProcessingRecord, self.sagemaker_backend.processing_jobs)

    def stop_training_job(self) -> EmptyResult:
        """End a job early."""
        return self.stop(TrainingRecord, self.sagemaker_backend.training_jobs)

    def list_processing_jobs(self) -> ActionResult:
        """Return the jobs."""
        return self.listed(ProcessingRecord, self.sagemaker_backend.processing_jobs)

    def list_training_jobs(self) -> ActionResult:
        """Return the jobs."""
        return self.listed(TrainingRecord, self.sagemaker_backend.training_jobs)

    # -- what they have in common

    def take(self, kind: type[JobRecord], there: dict[str, Any]) -> Any:
        """Return the record of a new job."""
        record = kind(self.asked, self.current_account, self.region)
        if record.name in there:
            raise ValidationError(
                message="Job name must be unique within an AWS account and region, and a "
                f"{kind.word.lower()} job with this name already exists ({record.arn})"
            )
        there[record.name] = record
        return record

    def stop(self, kind: type[JobRecord], there: dict[str, Any]) -> EmptyResult:
        """End a job early."""
        name = self._get_param(f"{kind.word}JobName")
        if name not in there:
            raise ValidationError(message="Requested resource not found.")
        if there[name].status != "InProgress":
            raise ValidationError(
                message=f"The request was rejected because the {kind.word.lower()} job is in status "
                f"{there[name].status}."
            )
        there[name].become("Stopping")
        return EmptyResult()

    def listed(self, kind: type[JobRecord], there: dict[str, Any]) -> ActionResult:
        """Return the jobs that the request asks for, all on one page."""
        part, status = self._get_param("NameContains") or "", self._get_param("StatusEquals")
        found = [one for one in there.values() if part in one.name and status in {None, one.status}]
        newest_first = self._get_param("SortOrder") != "Ascending"
        found.sort(key=lambda one: one.creation_time, reverse=newest_first)
        return ActionResult({f"{kind.word}JobSummaries": [one.summary() for one in found]})
