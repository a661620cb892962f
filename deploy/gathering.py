"""Find out what a stage's template needs to know: the account, the bucket, the images and the archives."""

from collections.abc import Iterator
from pathlib import Path

from deploy.aws import Aws
from deploy.facts import Archive, Facts
from deploy.model import artifacts, images
from deploy.progress import Say, say
from deploy.stage.kinds import Container, Stage, containers_of
from deploy.stage.rules import require_possible

ROOT = Path(__file__).parent.parent


def gather(stage: Stage, aws: Aws, *, send: bool) -> Facts:
    """
    Return the facts for *stage*; raise `Refused` if it cannot be.

    Args:
        send: put its models into S3; else nothing is changed, and the facts say where they would be.
    """
    account = aws.account()
    found = tuple(images.resolve(aws.client("ecr"), account, one.image) for one in containers_of(stage))
    bucket = stage.bucket or artifacts.default_bucket(account)
    require_possible(stage, Facts(account, bucket, found, [None for _ in found]))
    if send:
        bucket = artifacts.ensure_bucket(aws.client("s3"), account, stage.bucket)
    return Facts(account, bucket, found, tuple(archives(stage, aws, bucket, send=send)))


def archives(stage: Stage, aws: Aws, bucket: str, *, send: bool) -> Iterator[Archive | None]:
    """Yield the archive of each container's model, None where it is in the image."""
    for container in containers_of(stage):
        yield archive(container, aws, bucket, send=send) if container.model else None


def archive(container: Container, aws: Aws, bucket: str, *, send: bool) -> Archive:
    """Return where the container's model is, or would be."""
    s3, model = aws.client("s3"), str(container.model)
    if model.startswith("s3://"):
        return artifacts.archive_of(s3, model)
    folder = ROOT / model  # a path of its own, if it begins with a slash
    warn_of_packages(folder)
    if send:
        return artifacts.upload(s3, aws.account(), bucket, folder)
    return artifacts.planned(bucket, folder)


def warn_of_packages(folder: Path, say: Say = say) -> None:
    """Say so if a model asks for packages, which nobody would bring."""
    if (folder / "code" / "requirements.txt").is_file():
        say(
            f"- {folder} has a code/requirements.txt, and nothing is installed at start: the image has to bring these "
            f"packages, as that of ./build_and_push.sh NAME --model {folder.name} does."
        )
