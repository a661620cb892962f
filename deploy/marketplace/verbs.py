"""What `python -m deploy marketplace VERB` does."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from deploy.aws import Aws, connect
from deploy.errors import Refused
from deploy.marketplace import answering, checking, container, listing, package, policies
from deploy.marketplace.exchanges import BATCH, Exchange, Question, data_of, exchanges, layout_faults, questions, record
from deploy.marketplace.image import require_runnable, scan_note
from deploy.marketplace.likeness import differences
from deploy.marketplace.request import Request, account_of, build
from deploy.marketplace.seller import Seller, read_seller
from deploy.model import artifacts, images
from deploy.progress import say
from deploy.stage.new import model_folder

Options = argparse.Namespace


def request(options: Options) -> int:
    """Print what CreateModelPackage would be asked, checked."""
    made = build(read_seller(_folder(options.model)), options.image)
    checking.require_possible(made)
    _show(made)
    return 0


def check(options: Options) -> int:
    """Check a request, ours or that in a file, and with --run what an image answers without a network."""
    if options.request:
        checking.require_possible(checking.read_request(options.request))
        say(f"- the request in {options.request} has no fault that can be seen here")
    if options.image:
        made = build(read_seller(_folder(options.model)), options.image)
        checking.require_possible(made)
        say(f"- the request for {made['ModelPackageName']} has no fault that can be seen here")
    if options.run_image:
        _check_image(options)
    if not (options.request or options.image or options.run_image):
        raise Refused("Nothing to check was named: --image URI, --request FILE or --run IMAGE.")
    return 0


def list_product(options: Options) -> int:
    """Check the listing, its samples and its notebook; ask the model whether it answers as is shipped."""
    folder = _folder(options.model)
    seller, page = read_seller(folder), listing.read_listing(folder)
    recorded = _record(folder, seller, options.url) if options.record else None
    if found := [*listing.faults(folder, page, seller)]:
        raise Refused(f"The listing of {folder.name} is not complete:", *found)
    shipped = _samples(folder, seller)
    _require_same(shipped, recorded or _answers(folder, seller, [one.question for one in shipped], options.url))
    say(f"- the model answers all {len(shipped)} requests of the samples as is shipped")
    for note in listing.notes(page):
        say(f"- before publishing: {note}")
    return 0


def show_policies(options: Options) -> int:
    """Print what the validation role, and the person who submits, have to be allowed."""
    _show(policies.policies(read_seller(_folder(options.model)), options.image))
    return 0


def submit(options: Options) -> int:
    """Make the package unless it is there, wait for its validation, and print its ARN and every status."""
    folder = _folder(options.model)
    seller = read_seller(folder)
    made = build(seller, options.image)
    checking.require_possible(made)
    _samples(folder, seller)
    aws = connect()
    _require_ours(aws, options.image, made)
    artifacts.ensure_bucket(aws.client("s3"), aws.account(), seller.bucket)
    sample = data_of(folder) / "input" / BATCH
    print(package.submit(package.Submission(aws.client("sagemaker"), aws.client("s3"), made, sample)))
    return 0


def status(options: Options) -> int:
    """Print how a package is; the exit status says whether it can be listed."""
    text, is_completed = package.status(connect().client("sagemaker"), options.package)
    print(text)
    return 0 if is_completed else 1


def _folder(model: str) -> Path:
    folder = model_folder(model)
    if folder is None:
        raise Refused(f"{model} is in S3: a product is made of a model folder, whose weights are in the image.")
    return folder


def _show(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _samples(folder: Path, seller: Seller) -> list[Exchange]:
    """Return every request of the samples; raise `Refused` if one lacks its answer."""
    if found := [*layout_faults(data_of(folder))]:
        raise Refused(f"The samples of {folder.name} are not complete:", *found)
    return [*exchanges(folder, seller)]


def _answers(folder: Path, seller: Seller, asked: Sequence[Question], url: str | None) -> Sequence[bytes]:
    return [*answering.of_server(url, asked)] if url else answering.of_folder(folder, asked, seller.environment)


def _record(folder: Path, seller: Seller, url: str | None) -> Sequence[bytes]:
    """Write what the model answers as the answers that are shipped, and return it."""
    asked = [*questions(folder, seller)]
    answers = _answers(folder, seller, asked, url)
    for file in record(asked, answers, seller):
        say(f"- wrote {file.relative_to(folder)}")
    return answers


def _check_image(options: Options) -> None:
    folder = _folder(options.model)
    seller = read_seller(folder)
    shipped = _samples(folder, seller)
    asked = [one.question for one in shipped]
    tried = container.Tried(options.run_image, folder if options.mount else None, seller.environment)
    _require_same(shipped, container.of_image(tried, asked))
    say(f"- {options.run_image} answers all {len(asked)} requests of the samples as is shipped, without a network")


def _require_same(shipped: Sequence[Exchange], answers: Sequence[bytes]) -> None:
    if found := [*differences(shipped, answers)]:
        raise Refused("The samples are not what the model answers:", *found)


def _require_ours(aws: Aws, image: str, made: Request) -> None:
    """Raise `Refused` unless the image is in the caller's own account and Region, and SageMaker could pull it."""
    account, place = aws.account(), account_of(image)
    if account.number != place.number:
        raise Refused(
            f"The image lies in the account {place.number}, and you are in {account.number}: "
            "Marketplace takes an image from the seller's own account alone."
        )
    found = images.resolve(aws.client("ecr"), account, image)
    require_runnable(made, found)
    say(f"- {found.uri} is there, for linux/{found.architecture}; the package will be {made['ModelPackageName']}")
    if note := scan_note(aws.client("ecr"), account, found):
        say(f"- before publishing: {note}")
