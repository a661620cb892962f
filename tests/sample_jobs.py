"""Jobs that tests have in common."""

from datetime import UTC, datetime

from deploy.facts import Account, Facts, Image
from deploy.job.files import parse_job
from deploy.job.kinds import JobFile
from deploy.job.requests import Site

ACCOUNT = Account("123456789012", "aws", "eu-west-1")
BUCKET = "sagemaker-eu-west-1-123456789012"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc@sha256:" + "0" * 64
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::123456789012:role/byoc/reviews/byocjob-reviews-Role-1A2B"
NOW = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
SITE = Site(IMAGE, ROLE, BUCKET, NOW)
FACTS = Facts(ACCOUNT, BUCKET, [Image(IMAGE, "", "amd64", 1)], [None])
PLAIN = {"owner": "me", "image": IMAGE, "model": "tests/model_folders/complete"}


def job_of(name: str = "reviews", **settings) -> JobFile:
    """Return the job that a file with these settings would be."""
    return parse_job(name, {**PLAIN, **settings}, f"{name}.toml")
