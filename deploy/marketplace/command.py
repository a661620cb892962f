"""The command line of `python -m deploy marketplace`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from deploy.marketplace import verbs

Add = Callable[..., argparse.ArgumentParser]
IMAGE = "what build_and_push.sh NAME --model MODEL prints: the image with the model inside"


def marketplace(add: Add) -> None:
    """Add the verb `marketplace`, which has verbs of its own."""
    verb = add("marketplace", help="sell a model in AWS Marketplace", description="docs/marketplace.md tells the way.")
    inner = verb.add_subparsers(title="verbs", required=True, metavar="VERB").add_parser
    for read in (_request, _check, _listing, _policies, _submit, _status):
        read(inner)


def _request(add: Add) -> None:
    _image(_of_model(add, "request", verbs.request, "print the request to make the package"))


def _check(add: Add) -> None:
    verb = _of_model(add, "check", verbs.check, "look for faults without asking AWS")
    verb.add_argument("--image", help=IMAGE)
    verb.add_argument("--request", type=Path, help="a JSON file with a CreateModelPackage request, whoever made it")
    verb.add_argument("--run", dest="run_image", help="an image on this machine, to be tried without a network")
    verb.add_argument("--mount", action="store_true", help="mount the model folder: the image brings no model")


def _listing(add: Add) -> None:
    verb = _of_model(add, "listing", verbs.list_product, "check what buyers will see")
    verb.add_argument("--url", help="ask a server that runs, such as http://localhost:8080 (default: load the model)")
    verb.add_argument("--record", action="store_true", help="first write what the model answers to data/output")


def _policies(add: Add) -> None:
    _image(_of_model(add, "policies", verbs.show_policies, "print the IAM policies that are enough"))


def _submit(add: Add) -> None:
    _image(_of_model(add, "submit", verbs.submit, "make the package, and wait for its validation"))


def _status(add: Add) -> None:
    verb = add("status", help="show how a package is", description=verbs.status.__doc__)
    verb.add_argument("package", help="the package's name or ARN")
    verb.set_defaults(run=verbs.status)


def _of_model(add: Add, name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
    verb = add(name, help=about, description=run.__doc__)
    verb.add_argument("model", help="a folder of models/, or a path, with a folder `marketplace`")
    verb.set_defaults(run=run)
    return verb


def _image(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--image", required=True, help=IMAGE)
