"""What is wrong with a user's file, in words."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from deploy.stage import patterns
from deploy.stage.never import NEVER

_LOOKS = {
    patterns.S3: "an address such as s3://my-bucket/some/prefix",
    patterns.KEY: "the ARN of a KMS key, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…,",
    patterns.NAME: "a name of letters, digits and hyphens, no hyphen at either end,",
    patterns.TYPE: "an instance type such as ml.m5.large",
    patterns.REGION: "a Region such as eu-west-1",
    patterns.BUCKET: "a bucket's name, without s3://,",
    patterns.VARIABLE: "a variable's name of letters, digits and underscores",
    patterns.EMAIL: "an e-mail address",
    patterns.ORIGIN: (
        "the origin of one page, such as https://reviews.example.com, without a path and never * (or anybody's page "
        "could spend your money),"
    ),
    patterns.FOLDER: "a folder's name of letters, digits, hyphens and underscores",
    patterns.ROLE: "the ARN of a role, such as arn:aws:iam::123456789012:role/training,",
    patterns.GROUP: "a security group's id, such as sg-0123abcd,",
    patterns.SUBNET: "a subnet's id, such as subnet-0123abcd,",
}


def in_words(error: ValidationError, root: type[BaseModel] | None, kind: str = "") -> Iterator[str]:
    """Yield a sentence for each fault; *root* is what the file should be, and *kind* what its stage calls that."""
    for problem in error.errors(include_url=False):
        place = [str(part) for part in problem["loc"] if part != "[key]"]
        if place and place[0] == kind:
            place = place[1:]
        yield _explain(problem, root, kind, place)


def _explain(problem: Any, root: type[BaseModel] | None, kind: str, place: list[str]) -> str:
    at = ".".join(place)
    match problem["type"]:
        case "extra_forbidden":
            return NEVER.get((kind, place[0])) or f"{at}: there is no such setting.{_perhaps(root, place)}"
        case "missing":
            return f"{at} is missing."
        case "string_pattern_mismatch" if looks := _LOOKS.get(problem["ctx"]["pattern"]):
            return f"{at}: {looks} was expected, not {problem['input']!r}."
    return f"{at}: {problem['msg'].removeprefix('Input ')}, not {problem['input']!r}."


def _perhaps(root: type[BaseModel] | None, place: list[str]) -> str:
    """Return a guess at what was meant: the nearest name in the table."""
    table = root
    for part in place[:-1]:
        if table and not part.isdigit():
            field = table.model_fields.get(part)
            table = table_in(field.annotation) if field else None
    if table is None:
        return ""
    near = difflib.get_close_matches(place[-1], table.model_fields, n=1)
    names = sorted(set(table.model_fields) - {"name"} if table is root else table.model_fields)
    return f" Perhaps {near[0]} was meant?" if near else f" There are: {', '.join(names)}."


def table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table that a field is, may be, or has several of."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)
