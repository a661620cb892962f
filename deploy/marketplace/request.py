"""What CreateModelPackage is asked: built from the seller's file and an image, and nothing else."""

import hashlib
import json
import re
from typing import Any

from deploy.errors import Refused
from deploy.facts import Account
from deploy.marketplace.seller import Seller
from deploy.model.artifacts import default_bucket
from deploy.model.images import PUSH

PROFILE = "ValidationProfile1"
DIGITS = 12  # of the digest in a package's name
REPOSITORY = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>.+)")

Request = dict[str, Any]


def build(seller: Seller, image: str) -> Request:
    """
    Return the request for *image*, which may hold any model; raise `Refused` if it does not lie in ECR.

    The name ends with a digest of all the rest: the same request has the same name, another one has another.
    """
    account = account_of(image)
    request = {
        "ModelPackageDescription": seller.description,
        "CertifyForMarketplace": True,  # later it cannot be changed
        "InferenceSpecification": inference_specification(seller, image),
        "ValidationSpecification": validation_specification(seller, account),
    }
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return {"ModelPackageName": f"{seller.name}-{digest[:DIGITS]}", **request}


def inference_specification(seller: Seller, image: str) -> Request:
    """Return what buyers may run, on what, and with which media types."""
    environment = {"Environment": dict(seller.environment)} if seller.environment else {}
    return {
        "Containers": [{"Image": image, **environment}],
        "SupportedTransformInstanceTypes": list(seller.transform_instances),
        "SupportedRealtimeInferenceInstanceTypes": list(seller.real_time_instances),
        "SupportedContentTypes": list(seller.content_types),
        "SupportedResponseMIMETypes": list(seller.response_types),
    }


def validation_specification(seller: Seller, account: Account) -> Request:
    """Return the transform job that SageMaker tries the package with."""
    validation = seller.validation
    by_line = validation.split == "Line"
    definition = {
        "MaxConcurrentTransforms": validation.max_concurrent,
        "MaxPayloadInMB": validation.max_payload_mb,
        **({"BatchStrategy": "SingleRecord"} if by_line else {}),
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{place(seller, account)}/input/"}},
            "ContentType": validation.content_type,
            "CompressionType": "None",
            "SplitType": validation.split,
        },
        "TransformOutput": {
            "S3OutputPath": f"{place(seller, account)}/output",
            "Accept": seller.response_types[0],
            "AssembleWith": validation.split,
        },
        "TransformResources": {"InstanceType": validation.instance, "InstanceCount": 1},
    }
    profiles = [{"ProfileName": PROFILE, "TransformJobDefinition": definition}]
    return {"ValidationRole": role_arn(seller, account), "ValidationProfiles": profiles}


def place(seller: Seller, account: Account) -> str:
    """Return the folder in S3 that validation reads and writes below."""
    return f"s3://{seller.bucket or default_bucket(account)}/marketplace/{seller.name}"


def role_arn(seller: Seller, account: Account) -> str:
    """Return the role's ARN: the seller's file may name the role alone, so that it holds no account's number."""
    if seller.role.startswith("arn:"):
        return seller.role
    return f"arn:{account.partition}:iam::{account.number}:role/{seller.role}"


def account_of(image: str) -> Account:
    """Return the account and the Region that an image's address names; raise `Refused` if it is not one of ECR's."""
    found = REPOSITORY.fullmatch(image)
    if not found:
        raise Refused(f"{image!r} is not in ECR: a package's image is ACCOUNT.dkr.ecr.REGION.amazonaws.com/…", PUSH)
    partition = "aws-us-gov" if found["region"].startswith("us-gov-") else "aws"
    return Account(found["account"], partition, found["region"])
