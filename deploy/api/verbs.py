"""What `python -m deploy api VERB` does: plan, deploy, look at and remove the API of a stage's endpoint."""

import argparse
from collections.abc import Callable
from pathlib import Path

from deploy.api.deploying import PATH, ApiStack, deployed, gone, how_it_is, planned
from deploy.api.page import write_page
from deploy.api.settings import Api, read_api, write_api
from deploy.api.template import render
from deploy.aws import Aws, connect
from deploy.errors import Refused
from deploy.progress import say
from deploy.stack.template import as_text
from deploy.stage.files import read_stage
from deploy.stage.kinds import Stage

Options = argparse.Namespace


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Tell the command line's parser of them."""
    top = add("api", help="put a stage's endpoint on the web: Lambda behind an HTTP API", description=__doc__)
    below = top.add_subparsers(title="verbs", required=True, metavar="VERB")
    for name, (run, about) in VERBS.items():
        verb = below.add_parser(name, help=about, description=run.__doc__)
        verb.add_argument("stage", help="the name of a file in deploy/stages, without .toml")
        verb.set_defaults(run=run)
        if run is new:
            verb.add_argument(
                "--origin", default="", help="where the page will be, such as https://reviews.example.com"
            )
        if run is page:
            verb.add_argument("--to", type=folder, required=True, help="a folder to write it into")
            verb.add_argument("--address", help="of the API (default: where it is deployed)")


def folder(text: str) -> Path:
    """Read --to, which is empty after `make web` without TO: the page would be written wherever that runs."""
    if not text:
        raise argparse.ArgumentTypeError("no folder was named: TO=folder is where the page is written")
    return Path(text)


def new(options: Options) -> int:
    """Write the file of a new API, and print its path."""
    print(write_api(options.stage, options.origin))
    say(f"Read it, change what you like, then: make plan API={options.stage}, and make deploy API={options.stage}")
    return 0


def template(options: Options) -> int:
    """Print the API's CloudFormation template."""
    stage, api, aws = _found(options)
    print(as_text(render(stage, api, aws.account())))
    return 0


def plan(options: Options) -> int:
    """Print what a deployment would change."""
    stage, api, aws = _found(options)
    print(planned(stage, api, aws.account(), _stack(stage.name, aws)))
    return 0


def deploy(options: Options) -> int:
    """Make the API what its file says, and print where it is."""
    stage, api, aws = _found(options)
    sagemaker = aws.client("sagemaker")
    print(deployed(stage, api, aws.account(), sagemaker, _stack(stage.name, aws)))
    return 0


def status(options: Options) -> int:
    """Print how the API is; the exit status says whether it is up."""
    stage, api, aws = _found(options)
    text, exit_code = how_it_is(stage, api, _stack(stage.name, aws))
    print(text)
    return exit_code


def destroy(options: Options) -> int:
    """Remove the API: all of it, its logs too. The endpoint stays."""
    stage = read_stage(options.stage)
    print(gone(stage, _stack(stage.name, connect(stage))))
    return 0


def page(options: Options) -> int:
    """Write the page, with the API's address in it, into a folder; print the paths."""
    for path in write_page(options.address or _address(options), options.to):
        print(path)
    return 0


def _address(options: Options) -> str:
    """Return where the stage's API is deployed."""
    stage = read_stage(options.stage)
    stack = _stack(stage.name, connect(stage))
    if "ApiEndpoint" not in (outputs := stack.outputs()):
        raise Refused(
            f"{stage.name} has no API in {stack.region}: looked for a stack {stack.name}.",
            f"make deploy API={stage.name}, or name the address: OPTIONS='--address https://…/demo'",
        )
    return outputs["ApiEndpoint"] + PATH


def _found(options: Options) -> tuple[Stage, Api, Aws]:
    """Return the stage that the command line names, its API, and the account in its Region."""
    api, stage = read_api(options.stage), read_stage(options.stage)
    return stage, api, connect(stage)


def _stack(name: str, aws: Aws) -> ApiStack:
    return ApiStack(aws.client("cloudformation"), name)


VERBS: dict[str, tuple[Callable[[Options], int], str]] = {
    "new": (new, "write the file of a new API"),
    "plan": (plan, "show what a deployment would change"),
    "deploy": (deploy, "make the API what its file says"),
    "status": (status, "show how the API is; exit status 0 if it is up"),
    "destroy": (destroy, "remove the API"),
    "template": (template, "print the API's CloudFormation template"),
    "page": (page, "write the page that calls the API"),
}
