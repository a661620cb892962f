"""Tags as all of AWS takes them: SageMaker, CloudFormation and IAM, of which each is stricter somewhere."""

import re
from collections.abc import Iterator
from itertools import pairwise

from deploy.stage.kinds import Common

OUR_TAGS = {"stage", "owner", "kind", "cost-note", "managed-by"}
_TAG = re.compile(r"[\w .:/=+@-]*")  # SageMaker's, for a tag's name and value


def tag_refusals(stage: Common, _: object = None) -> Iterator[str]:
    """Yield a sentence for each tag that would fail the stage."""
    yield from _tags_are_taken(stage)
    yield from _tags_differ(stage)
    yield from _tags_are_free(stage)


def _tags_differ(stage: Common) -> Iterator[str]:
    """IAM, which tags the role, does not tell Owner from owner."""
    names = sorted(stage.tags, key=str.casefold)
    for one, other in pairwise(names):
        if one.casefold() == other.casefold():
            yield f"tags: {one} and {other} are the same to AWS; keep one."


def _tags_are_taken(stage: Common) -> Iterator[str]:
    for name, value in {"owner": stage.owner, **stage.tags}.items():
        if not (name and _TAG.fullmatch(name + value) and len(name) <= 128 and len(value) <= 256):
            yield f"tags: {name} = {value!r}: AWS takes letters, digits, spaces and _ . : / = + - @, 256 in all."


def _tags_are_free(stage: Common) -> Iterator[str]:
    for tag in stage.tags:
        if tag.casefold() in OUR_TAGS or tag.lower().startswith("aws:"):
            owner = "set by deploy" if tag.casefold() in OUR_TAGS else "reserved by AWS"
            yield f"tags: {tag} is {owner}; take another name."
