"""What a stage leaves behind on purpose, what that costs, and how one removes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy import s3
from deploy.aws_errors import code_of, words_of
from deploy.errors import Refused
from deploy.facts import Account
from deploy.model.artifacts import name_of
from deploy.model.images import parse
from deploy.progress import in_words
from deploy.s3 import S3Object
from deploy.stack.policies import log_group
from deploy.stack.stack import REVIEW
from deploy.stage import places
from deploy.stage.kinds import AsynchronousStage, BatchStage, InstanceStage, PipelineStage, Stage, containers_of

MANY = 10_000  # objects that are counted; captured data may be millions
API = "api-byoc-"  # before the stage's name: the stack of its API


@dataclass(frozen=True)
class Kept:
    """Something that stays: what it is, what it costs, and the command that removes it."""

    what: str
    cost: str
    command: str

    def __str__(self) -> str:
        """Return the lines that are shown."""
        return f"- {self.what}: {self.cost}\n    {self.command}"


@dataclass(frozen=True)
class Unseen:
    """Something that may stay: where it would be, and why one cannot know."""

    where: str
    why: str

    def __str__(self) -> str:
        """Return the line that is shown."""
        return f"- perhaps something in {self.where}, which cannot be looked at: {self.why}"


def kept_by(stage: Stage, account: Account, bucket: str, client: Any) -> Iterator[Kept | Unseen]:
    """Yield what is there; *client* makes boto3's by their names. By now the stage is gone: nothing is raised."""
    looks: Mapping[str, Callable[[], Iterator[Kept]]] = {
        "CloudFormation": lambda: _api(stage, client("cloudformation")),
        "ECR": lambda: _repositories(stage, account, client("ecr")),
        **{url: partial(_objects, client("s3"), url, what) for url, what in _places(stage, bucket)},
        "CloudWatch's logs": lambda: _logs(stage, account, client("logs")),
    }
    for where, look in looks.items():
        try:
            yield from look()
        except (BotoCoreError, ClientError, Refused) as error:
            yield Unseen(where, str(error))


def _api(stage: Stage, cloudformation: Any) -> Iterator[Kept]:
    try:
        (about,) = cloudformation.describe_stacks(StackName=API + stage.name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in words_of(error):
            raise
        return
    if about["StackStatus"] == REVIEW:
        return
    yield Kept(
        f"its API, the stack {API}{stage.name}, open to all and with nothing to call",
        "billed by requests",
        f"make destroy API={stage.name}",
    )


def _repositories(stage: Stage, account: Account, ecr: Any) -> Iterator[Kept]:
    for name in sorted({*_own_repositories(stage, account)}):
        size = _size_of(ecr, name)
        if size is not None:
            yield Kept(
                f"the images in {name}, which other stages may use",
                f"{in_words(size)}, billed by size and month",
                f"aws ecr delete-repository --force --repository-name {name} --region {account.region}",
            )


def _own_repositories(stage: Stage, account: Account) -> Iterator[str]:
    for container in containers_of(stage):
        with suppress(Refused):  # what cannot be an image of ours is in no repository of ours
            named = parse(container.image, account)
            if named.account == account.number:
                yield named.repository


def _size_of(ecr: Any, repository: str) -> int | None:
    """Return the bytes of the images in a repository of ours, None if there is none."""
    try:
        pages = list(ecr.get_paginator("describe_images").paginate(repositoryName=repository))
    except ClientError as error:
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        return None
    return sum(int(image.get("imageSizeInBytes", 0)) for page in pages for image in page["imageDetails"])


def _places(stage: Stage, bucket: str) -> Iterator[tuple[str, str]]:
    """Yield the addresses below which something may stay, each with what it is."""
    own = f"{places.folder_of(stage.name, bucket).url}/"
    yield own, "what the stage read and wrote"
    for url in _named(stage):
        place = f"{places.place_of(url).url}/"
        if not place.startswith(own):
            yield place, "what the stage read or wrote where its file says, which others may use"
    models = {name_of(Path(one.model)) for one in containers_of(stage) if one.model and not one.model.startswith("s3:")}
    for name in sorted(models):
        yield f"s3://{bucket}/models/{name}/", "its models, which other stages may use"


def _named(stage: Stage) -> Iterator[str]:
    """Yield the places that the stage's file names; a batch stage's input is never the stage's own."""
    named: tuple[str | None, ...] = ()
    if isinstance(stage, InstanceStage | PipelineStage) and stage.capture:
        named = (stage.capture.destination,)
    elif isinstance(stage, AsynchronousStage):
        named = (stage.asynchronous.input, stage.asynchronous.output, stage.asynchronous.failures)
    elif isinstance(stage, BatchStage):
        named = (stage.batch.output,)
    yield from (url for url in named if url)


def _objects(client: Any, url: str, what: str) -> Iterator[Kept]:
    try:
        counted = list(islice(s3.objects(client, url), MANY + 1))
    except Refused as refused:
        if isinstance(refused.__cause__, ClientError) and code_of(refused.__cause__) == "NoSuchBucket":
            return
        raise
    if counted:
        yield Kept(f"{what}, in {url}", f"{_number(counted)}, billed by size and month", f"aws s3 rm --recursive {url}")


def _number(counted: Sequence[S3Object]) -> str:
    size = in_words(sum(one.size for one in counted))
    if len(counted) > MANY:
        return f"more than {MANY:,} objects, more than {size}"
    return f"{len(counted):,} object{'s' if len(counted) > 1 else ''}, {size}"


def _logs(stage: Stage, account: Account, logs: Any) -> Iterator[Kept]:
    if isinstance(stage, BatchStage):
        return  # one group for the jobs of the whole account
    name = log_group(stage)
    for group in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
        if group["logGroupName"] == name:
            days = group.get("retentionInDays")
            yield Kept(
                f"the logs in {name}",
                f"billed by size and month, {f'each line for {days} days' if days else 'for ever'}",
                f"aws logs delete-log-group --log-group-name {name} --region {account.region}",
            )
