"""The account and its clients: the one place where boto3's session is made, and what its refusals mean."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from deploy.aws_errors import code_of, is_denied, words_of
from deploy.call.calling import runtime_config
from deploy.errors import Refused
from deploy.facts import Account
from deploy.stage.kinds import Common

PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 5})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
UNKNOWN = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"})
WHO = "See who you are: aws sts get-caller-identity"


class Aws:
    """An account in a Region, as somebody with these credentials sees it."""

    def __init__(self, session: boto3.Session):
        self._session = session
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service; there is one of each."""
        if service not in self._clients:
            config = runtime_config() if service == "sagemaker-runtime" else PATIENT
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    def account(self) -> Account:
        """Return the account that the credentials are for."""
        identity = self.client("sts").get_caller_identity()
        return Account(identity["Account"], identity["Arn"].split(":")[1], self.client("sts").meta.region_name)


def connect(stage: Common | None = None, environ: Mapping[str, str] = os.environ) -> Aws:
    """Return the account, in the stage's Region or else in that of the environment and the AWS configuration."""
    # boto3 by itself does not look at AWS_REGION, which the AWS CLI and the other SDKs prefer.
    region = (stage.region if stage else None) or environ.get("AWS_REGION") or None
    with in_words():
        session = boto3.Session(region_name=region)
    if not session.region_name:
        raise Refused(
            "No Region: looked in the stage's file, in AWS_REGION, AWS_DEFAULT_REGION and in the AWS configuration.",
            'Name it in the stage (region = "eu-west-1"), or: export AWS_REGION=eu-west-1',
        )
    return Aws(session)


@contextmanager
def in_words() -> Iterator[None]:
    """Raise `Refused` for what AWS, or the way to it, refuses."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(
            f"No credentials: {error}.",
            "Looked in the environment, in ~/.aws, and for a role of this machine. aws configure, or aws sso login.",
        ) from error
    except ProfileNotFound as error:
        raise Refused(
            f"{error}.", "AWS_PROFILE names a profile of ~/.aws/config: aws configure list-profiles"
        ) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise Refused(f"AWS cannot be reached: {error}.", *_what_to_look_at(os.environ)) from error
    except NoRegionError as error:
        raise Refused(f"No Region: {error}.", "export AWS_REGION=eu-west-1") from error
    except ClientError as error:
        raise Refused(*refusal_of(error)) from error
    except BotoCoreError as error:
        raise Refused(f"AWS could not be asked: {error}") from error


def _what_to_look_at(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where the fault may be: often an address is left over from a rehearsal."""
    for name, value in sorted(environ.items()):
        if name.startswith("AWS_ENDPOINT_URL"):
            yield f"{name} is {value}: is something there (make rehearsal)? Else: unset {name}"
    yield "Is the Region right, and is there a network?"


def refusal_of(error: ClientError) -> list[str]:
    """Return what a refusal means that no part of the program knew better."""
    said = f"{error.operation_name}: {words_of(error)}"
    if code_of(error) in EXPIRED:
        return [f"The credentials have expired. {said}", "Get new ones, for example: aws sso login"]
    if code_of(error) in UNKNOWN:
        return [f"AWS does not know these credentials. {said}", WHO]
    if is_denied(error):
        return [f"Not allowed. {said}", f"docs/deploying.md lists what is needed. {WHO}"]
    return [f"AWS refused ({code_of(error)}). {said}"]
