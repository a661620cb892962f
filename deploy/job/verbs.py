"""What `python -m deploy` does with jobs: each verb reads the job's file, asks AWS, and hands both on."""

import argparse
import json

from deploy.aws import connect
from deploy.facts import Facts
from deploy.job import history
from deploy.job.desk import Desk, Request
from deploy.job.files import read_job
from deploy.job.kinds import JobFile, Work
from deploy.job.new import NewJob, write_job
from deploy.job.role import JobStack, require_ours
from deploy.job.rules import require_runs_on
from deploy.model import artifacts, images
from deploy.progress import say

Options = argparse.Namespace


def new_job(options: Options) -> int:
    """Write a job's file and print its path."""
    path = write_job(NewJob(options.job, options.image, options.model, options.owner))
    print(path)
    say(f"Read it, change what you like, then: make process_job JOB={options.job} DATA=…")
    return 0


def process(options: Options) -> int:
    """Run a processing job to its end, and print the address below which what it made lies."""
    job = read_job(options.job)
    desk = prepare(job, job.process, dry=options.dry_run)
    print(shown(desk.processing(options.data)) if desk.dry else desk.process(options.data))
    return 0


def train(options: Options) -> int:
    """Run a training job to its end, and print the address of the model that it has made."""
    job = read_job(options.job)
    desk = prepare(job, job.train, dry=options.dry_run)
    print(shown(desk.training(options.data)) if desk.dry else desk.train(options.data))
    return 0


def status(options: Options) -> int:
    """Print the job's latest runs, where their logs are and what they cost; the exit status says how the last ended."""
    job = read_job(options.job)
    report = history.report(job, connect(job).client("sagemaker"))
    print(report.text)
    return report.exit_code


def destroy(options: Options) -> int:
    """Remove the role of the jobs, and print what stays."""
    job = read_job(options.job)
    aws = connect(job)
    stack, account = JobStack(aws.client("cloudformation"), job.name), aws.account()
    history.require_none_underway(job, aws.client("sagemaker"))
    require_ours(job, stack)
    if options.dry_run:
        print(f"{stack.name} would be removed." if stack.exists() else f"There is no stack {stack.name}.")
        return 0
    there_was_one = stack.delete()
    bucket = job.bucket or artifacts.default_bucket(account)
    print(history.what_stays(job, bucket, aws.client, there_was_one=there_was_one))
    return 0


def shown(request: Request) -> str:
    """Return a request that is not sent; of a role that is not made yet, a word in its place."""
    return json.dumps({**request, "RoleArn": request["RoleArn"] or "(a role of the job's own)"}, indent=2)


def prepare(job: JobFile, work: Work, *, dry: bool) -> Desk:
    """Return the desk; raise `Refused` if the image cannot be had, or does not run on the machine."""
    aws = connect(job)
    account = aws.account()
    image = images.resolve(aws.client("ecr"), account, job.image)
    require_runs_on(job, image, work)
    bucket = job.bucket or artifacts.default_bucket(account)
    if not dry:
        bucket = artifacts.ensure_bucket(aws.client("s3"), account, job.bucket)
    return Desk(job, aws, Facts(account, bucket, [image], [None]), dry)
