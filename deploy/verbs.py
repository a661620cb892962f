"""What `python -m deploy VERB` does: read the stage, ask AWS what there is, and hand both on."""

import argparse
import json
import sys
from pathlib import Path

from deploy.aws import Aws, connect
from deploy.call import transform, transform_job
from deploy.call.calling import Caller
from deploy.call.invoke import invoke
from deploy.call.samples import request_of
from deploy.errors import Refused
from deploy.gathering import gather
from deploy.model import artifacts, package
from deploy.progress import CLOCK, say
from deploy.stack import deploying, describing
from deploy.stack.stack import Stack
from deploy.stack.tags import PREFIX
from deploy.stack.template import as_text, render
from deploy.stage.files import read_stage
from deploy.stage.kinds import BatchStage, Stage
from deploy.stage.new import NewStage, write_stage

Options = argparse.Namespace


def new_stage(options: Options) -> int:
    """Write a stage's file and print its path."""
    path = write_stage(NewStage(options.stage, options.kind, options.image, options.model, options.owner))
    print(path)
    say(f"Read it, change what you like, then: make plan STAGE={options.stage}, and make deploy STAGE={options.stage}")
    return 0


def plan(options: Options) -> int:
    """Print what a deployment would change."""
    stage, aws = _found(options)
    print(deploying.plan(stage, gather(stage, aws, send=False), _stack(stage, aws)))
    return 0


def template(options: Options) -> int:
    """Print the stage's CloudFormation template."""
    stage, aws = _found(options)
    print(as_text(render(stage, gather(stage, aws, send=False))))
    return 0


def deploy(options: Options) -> int:
    """Make the stage what its file says, and print what is up."""
    stage, aws = _found(options)
    if not options.dry_run:
        deploying.require_deployable(stage, _stack(stage, aws))  # before anything is uploaded
    facts = gather(stage, aws, send=not options.dry_run)
    if options.dry_run:
        print(describing.describe(stage, facts))
    else:
        print(deploying.deploy(stage, facts, _stack(stage, aws), aws.client))
    return 0


def status(options: Options) -> int:
    """Print how the stage is; the exit status says whether it serves."""
    stage, aws = _found(options)
    report = deploying.status(stage, _stack(stage, aws), aws.client)
    print(report.text)
    return report.exit_code


def call(options: Options) -> int:
    """Send one request to the stage's endpoint, and write the answer to stdout as it came."""
    stage, aws = _found(options)
    request = request_of(stage, options.body, options.content_type, options.accept)
    bucket = stage.bucket or artifacts.default_bucket(aws.account())
    sys.stdout.buffer.write(invoke(Caller(aws.client, bucket), stage, request))
    sys.stdout.flush()
    return 0


def destroy(options: Options) -> int:
    """Remove the stage, and print what stays."""
    stage, aws = _still_there(options)
    stack, account = _stack(stage, aws), aws.account()
    if options.dry_run:
        print(deploying.would_remove(stage, stack))
    else:
        bucket = stage.bucket or artifacts.default_bucket(account)
        print(deploying.destroy(stage, account, bucket, stack, aws.client))
    return 0


def transform_rows(options: Options) -> int:
    """Run a transform job to its end, and print where its answers are."""
    if options.answers and options.answers.is_file():
        raise Refused(f"{options.answers} is a file: answers are fetched into a folder.")
    stage, aws = _found(options)
    if not isinstance(stage, BatchStage):
        raise Refused(
            f"{stage.name} is a stage of kind {stage.kind}: transform jobs need one of kind batch.",
            f"make new_stage STAGE={stage.name}-batch KIND=batch MODEL=… IMAGE=…",
        )
    rows, stack = (_existing(options.rows) if options.rows else None), _stack(stage, aws)
    bucket = stage.bucket or artifacts.default_bucket(aws.account())
    planned = transform.planned(stage, "(the model of the stage)", bucket, CLOCK.now(), rows)
    if options.dry_run:
        gather(stage, aws, send=False)
        print(json.dumps(planned, indent=2))
        return 0
    deploying.require_deployable(stage, stack)
    facts = gather(stage, aws, send=True)
    deploying.deploy(stage, facts, stack, aws.client)
    request = transform.planned(stage, stack.outputs()["ModelName"], facts.bucket, CLOCK.now(), rows)
    print(
        transform_job.run(transform_job.Job(aws.client("sagemaker"), aws.client("s3"), request, rows, options.answers))
    )
    return 0


def pack(options: Options) -> int:
    """Make a model's archive, or check one; print where it is."""
    if options.to_s3:
        aws = connect()
        account = aws.account()
        bucket = artifacts.ensure_bucket(aws.client("s3"), account, options.bucket)
        print(package.send(options.model, aws.client("s3"), account, bucket))
    else:
        print(package.package(options.model, options.into))
    return 0


def _found(options: Options) -> tuple[Stage, Aws]:
    """Return the stage that the command line names, and the account in its Region."""
    stage = read_stage(options.stage)
    return stage, connect(stage)


def _still_there(options: Options) -> tuple[Stage, Aws]:
    """Return the same of what is to go; whoever has lost its file learns how else it goes."""
    try:
        return _found(options)
    except Refused as refused:
        command = f"aws cloudformation delete-stack --stack-name {PREFIX}{options.stage}"
        raise Refused(*refused.lines, f"Without its file, what is deployed goes with: {command}") from None


def _stack(stage: Stage, aws: Aws) -> Stack:
    return Stack(aws.client("cloudformation"), stage.name)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Refused(f"There are no rows at {path}: looked for a file or a folder.")
    return path
