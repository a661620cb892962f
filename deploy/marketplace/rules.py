"""What no service model says, and what a package is refused for all the same, often hours later."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from deploy.marketplace.parts import at, jobs, numbered, profiles, texts
from deploy.marketplace.request import REPOSITORY

MOST_IN_FLIGHT = 100  # MB: MaxConcurrentTransforms times MaxPayloadInMB
MOST_VARIABLES = 16  # in a container of a package
LISTS = (
    "SupportedTransformInstanceTypes",
    "SupportedRealtimeInferenceInstanceTypes",
    "SupportedContentTypes",
    "SupportedResponseMIMETypes",
)
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
SECRET = re.compile(r"(?i)(secret|passw(or)?d|credential|api_?key|access_?key|private_?key|token$)")
# An account has these only if it wants to.
OPT_IN = frozenset(
    {
        "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
        "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
        "me-central-1", "me-south-1", "mx-central-1",
    }
)  # fmt: skip
SECRET_VALUE = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----")


def faults(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for everything that Marketplace would not take; a shape that is wrong is not its business."""
    for rule in RULES:
        yield from rule(request)


def _is_unversioned(request: Mapping[str, Any]) -> Iterator[str]:
    group, name = request.get("ModelPackageGroupName"), request.get("ModelPackageName")
    if group:
        yield f"ModelPackageGroupName: a package in a group ({group}) is versioned, and cannot be listed. Leave it out."
    if not name and not group:
        yield "ModelPackageName is missing: a package that is to be listed has a name of its own."
    if isinstance(name, str) and (name.startswith("arn:") or "/" in name):
        yield f"ModelPackageName: {name} is a version or an address; a package that is to be listed has a plain name."


def _is_certified(request: Mapping[str, Any]) -> Iterator[str]:
    if request.get("CertifyForMarketplace") is not True:
        yield "CertifyForMarketplace is not true: the package could never be listed, and that cannot be changed later."


def _says_everything(request: Mapping[str, Any]) -> Iterator[str]:
    for name in LISTS:
        if not at(request, "InferenceSpecification", name):
            yield f"InferenceSpecification.{name} is missing or empty: an unversioned package has to say it."


def _says_nothing_twice(request: Mapping[str, Any]) -> Iterator[str]:
    for name in LISTS:
        counts = Counter(texts(at(request, "InferenceSpecification", name)))
        for value, count in counts.items():
            if count > 1:
                yield f"InferenceSpecification.{name}: {value} stands there {count} times."


def _has_one_profile(request: Mapping[str, Any]) -> Iterator[str]:
    count = len(profiles(request))
    if count != 1:
        yield f"ValidationSpecification.ValidationProfiles: there are {count}, and exactly one is needed."


def _validates_what_it_sells(request: Mapping[str, Any]) -> Iterator[str]:
    specification = at(request, "InferenceSpecification")
    sold = {
        "SupportedContentTypes": ("TransformInput", "ContentType"),
        "SupportedTransformInstanceTypes": ("TransformResources", "InstanceType"),
    }
    for job in jobs(request):
        for name, path in sold.items():
            supported, used = texts(at(specification, name)), at(job, *path)
            if supported and used not in supported:
                yield f"{'.'.join(path)}: validation uses {used}, which is not among {name}: {', '.join(supported)}."


def _addresses_are_whole(request: Mapping[str, Any]) -> Iterator[str]:
    places = {f"Containers[{number}].ModelDataUrl": at(one, "ModelDataUrl") for number, one in numbered(request)}
    for job in jobs(request):
        places["TransformInput.S3Uri"] = at(job, "TransformInput", "DataSource", "S3DataSource", "S3Uri")
        places["TransformOutput.S3OutputPath"] = at(job, "TransformOutput", "S3OutputPath")
    for place, url in places.items():
        if isinstance(url, str) and url:
            if not url.startswith("s3://"):
                yield f"{place}: {url} is not in S3."
            elif "//" in url.removeprefix("s3://"):
                yield f"{place}: {url} has an empty folder in it, `//`: S3 takes that for a name of its own."


def _fits_into_a_job(request: Mapping[str, Any]) -> Iterator[str]:
    for job in jobs(request):
        pair = at(job, "MaxConcurrentTransforms") or 1, at(job, "MaxPayloadInMB") or 6
        if all(isinstance(one, int) for one in pair) and math.prod(pair) > MOST_IN_FLIGHT:
            yield (
                f"MaxConcurrentTransforms x MaxPayloadInMB = {pair[0]} x {pair[1]} = {math.prod(pair)} MB: "
                f"SageMaker takes {MOST_IN_FLIGHT}."
            )


def _images_are_pinned(request: Mapping[str, Any]) -> Iterator[str]:
    for number, one in numbered(request):
        image = str(one.get("Image", ""))
        if image and not DIGEST.search(image) and not one.get("ImageDigest"):
            yield (
                f"Containers[{number}].Image: {image} names no digest, so what is validated could be another "
                "image than what was tested. Use what ./build_and_push.sh prints."
            )


def _images_are_the_sellers(request: Mapping[str, Any]) -> Iterator[str]:
    role = at(request, "ValidationSpecification", "ValidationRole")
    owner = role.split(":")[4] if isinstance(role, str) and role.count(":") >= 5 else None
    for number, one in numbered(request):
        image = str(one.get("Image", ""))
        found = REPOSITORY.match(image)
        if image and not found:
            yield f"Containers[{number}].Image: {image} is not in ECR; Marketplace takes images from there alone."
        elif found and owner and found["account"] != owner:
            yield (
                f"Containers[{number}].Image lies in the account {found['account']}, the ValidationRole in {owner}: "
                "Marketplace takes an image from the seller's own account alone."
            )


def _lies_where_everybody_is(request: Mapping[str, Any]) -> Iterator[str]:
    for number, one in numbered(request):
        found = REPOSITORY.match(str(one.get("Image", "")))
        if found and found["region"] in OPT_IN:
            yield (
                f"Containers[{number}].Image lies in {found['region']}, which an account has to opt in to: Marketplace "
                "lists a package of a Region that is on by default, such as eu-west-1."
            )


def _keeps_no_secrets(request: Mapping[str, Any]) -> Iterator[str]:
    places = [(f"Containers[{number}]", one) for number, one in numbered(request)]
    places += [("TransformJobDefinition", job) for job in jobs(request)]
    for place, one in places:
        found = at(one, "Environment")
        variables = found if isinstance(found, dict) else {}
        if len(variables) > MOST_VARIABLES:
            yield f"{place}.Environment has {len(variables)} variables, and a package takes {MOST_VARIABLES}."
        for name, value in variables.items():
            if SECRET.search(str(name)) or SECRET_VALUE.search(str(value)):
                yield f"{place}.Environment.{name} looks like a secret: buyers can read a package's environment."


Rule = Callable[[Mapping[str, Any]], Iterable[str]]
RULES: tuple[Rule, ...] = (
    _is_unversioned,
    _is_certified,
    _says_everything,
    _says_nothing_twice,
    _has_one_profile,
    _validates_what_it_sells,
    _addresses_are_whole,
    _fits_into_a_job,
    _images_are_pinned,
    _images_are_the_sellers,
    _lies_where_everybody_is,
    _keeps_no_secrets,
)
